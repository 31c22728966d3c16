# SPDX-License-Identifier: GPL-2.0
"""The protocol crate's tests: cargo in the root, without network, with Debian's crates."""

import re
import shutil

from lab import cache, ktap, root, settings
from lab.progress import Step

GROUP = "host"
CRATE = settings.CHECKOUT / "rust/netif"

_CONFIG = """[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
"""


def run(build_root):
    """Yields a result for every test that cargo names."""
    if not (CRATE / "Cargo.toml").exists():
        yield ktap.Result(f"{GROUP}/cargo", ktap.SKIP, note="rust/netif has no Cargo.toml")
        return
    # cargo wants to write beside its sources, and the checkout stays as it is: it gets a copy that keeps its times.
    key = cache.key_of(str(settings.CHECKOUT), build_root.path.name)
    work = cache.place("build", f"host-{key}", "x").parent
    with cache.locked(f"build-host-{key}"):
        (work / "checkout").write_text(str(settings.CHECKOUT), encoding="utf-8")
        crate = work / "netif"
        if crate.exists():
            shutil.rmtree(crate)
        # Cargo.lock names the versions of crates.io; here Debian's are used.
        shutil.copytree(CRATE, crate, ignore=shutil.ignore_patterns("target", "Cargo.lock"))
        (work / "cargo").mkdir(exist_ok=True)
        (work / "cargo/config.toml").write_text(_CONFIG, encoding="utf-8")
        log = work / "cargo.log"
        log.unlink(missing_ok=True)
        with Step("host tests of rust/netif", log, "the log above; one test: make check TESTS=host/NAME") as step:
            argv = ["env", f"CARGO_HOME={root.OBJ}/cargo", f"CARGO_TARGET_DIR={root.OBJ}/target", "CARGO_TERM_COLOR=never",
                    "cargo", "test", "--offline", "--no-fail-fast", "--manifest-path", f"{root.OBJ}/netif/Cargo.toml"]
            status = step.run(build_root.command(argv, [(work, root.OBJ, "rw")]), check=False)
            text = log.read_text(encoding="utf-8", errors="replace")
            found = list(_parse(text))
            step.note = f"{len(found)} tests"
    yield from found
    if status and not any(r.status == ktap.FAIL for r in found):
        yield ktap.Result(f"{GROUP}/cargo", ktap.FAIL, detail=text.splitlines()[-40:], note=f"exit status {status}")
    elif not found:
        yield ktap.Result(f"{GROUP}/cargo", ktap.FAIL, detail=text.splitlines()[-40:], note="cargo ran no test")


def _parse(text):
    words = {"ok": ktap.PASS, "FAILED": ktap.FAIL, "ignored": ktap.SKIP}
    said = dict(re.findall(r"^---- (\S+) stdout ----\n(.*?)(?=^----|^failures:|\Z)", text, re.M | re.S))
    binary = ""
    for line in text.splitlines():
        running = re.match(r"\s+Running (?:unittests )?(\S+)|\s+Doc-tests (\S+)", line)
        if running:
            source = running[1] or "doc/" + running[2]
            binary = "" if source.endswith(("lib.rs", "netif.rs")) else re.sub(r"^tests/|\.rs$", "", source) + "::"
        test = re.match(r"test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", line)
        if test:
            name = re.sub(r"\s+", "", test[1])
            yield ktap.Result(f"{GROUP}/{binary}{name}", words[test[2]], detail=said.get(test[1], "").splitlines())
