# SPDX-License-Identifier: GPL-2.0
"""What the built module refers to and says of itself."""

import re

from lab import root, settings
from lab.gates import Failed
from lab.module import KO

_PANIC = re.compile(r"4core9panicking|_fail$|unwrap_failed|expect_failed|rust_begin_unwind|slice_.*_fail|panic_")


def _undefined(context, path):
    return [line.split()[-1] for line in context.need(["nm", "-u", path]) if line.split()]


def no_panic(context):
    """Overflow checks are on and the kernel exports core::panicking: only this stands between a `+` and a BUG()."""
    allowed = {line for line in (settings.LAB / "gates/panics-allowed").read_text(encoding="utf-8").splitlines()
               if line and not line.startswith("#")}
    output = context.module.output("module")
    wrong = []
    for source in context.sources(".rs"):
        if (output / source).with_suffix(".o").exists():
            wanted = _undefined(context, f"{root.OBJ}/{source.removesuffix('.rs')}.o")
            wrong += [f"{source}: {name}" for name in wanted if _PANIC.search(name) and name not in allowed]
    linked = [name for name in _undefined(context, f"{root.OBJ}/{KO}") if _PANIC.search(name) and name not in allowed]
    if wrong or linked:
        raise Failed(wrong or [f"{KO}: {name}" for name in linked])


def symvers(context):
    """Every symbol that the module needs is one that the kernel exports."""
    with open(context.tree.build / "Module.symvers", encoding="utf-8") as f:
        exported = {line.split("\t")[1] for line in f}
    needed = _undefined(context, f"{root.OBJ}/{KO}")
    missing = [name for name in needed if name not in exported]
    if missing:
        raise Failed([f"not in Module.symvers of {context.tree.release}: {name}" for name in missing])
    return f"{len(needed)} symbols"


def modinfo(context):
    """vermagic is the kernel's, udev finds the driver, the licence lets it use the symbols."""
    fields = {}
    for line in context.need(["/usr/sbin/modinfo", f"{root.OBJ}/{KO}"]):
        name, _, value = line.partition(":")
        fields.setdefault(name, []).append(value.strip())
    wrong = []
    if not fields.get("vermagic", [""])[0].startswith(context.tree.release + " "):
        wrong.append(f"vermagic is {fields.get('vermagic')}, the kernel is {context.tree.release}")
    if "xen-backend:vif" not in fields.get("alias", []):
        wrong.append(f"alias xen-backend:vif is missing: {fields.get('alias')}")
    if fields.get("license") != ["GPL"]:
        wrong.append(f"license is {fields.get('license')}")
    wrong += [f"no {name}" for name in ("description", "author") if not fields.get(name)]
    if wrong:
        raise Failed(wrong)
    return fields["vermagic"][0]
