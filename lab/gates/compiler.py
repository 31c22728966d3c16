# SPDX-License-Identifier: GPL-2.0
"""The compilers have nothing to say: no warning of gcc, rustc, objtool or modpost, none of clippy."""

import re

from lab.gates import Failed

_WARNING = re.compile(r"\bwarning\b|\bWARNING\b|\berror\b.*:", re.I)
_CONTEXT_LINES = 12


def _warnings(log):
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for i, line in enumerate(lines):
        # Not the commands themselves, which name flags.
        if _WARNING.search(line) and not line.startswith(("+ ", "make")) and " -W" not in line:
            message = lines[i:i + _CONTEXT_LINES]
            found += message[:message.index("")] if "" in message else message
    return found


def warnings(context):
    """The build that make check has just made from nothing."""
    found = _warnings(context.module.output("module").parent / "module.log")
    if found:
        raise Failed(found)


def clippy(context):
    status, log = context.module.build("clippy", ["CLIPPY=1"], check=False, fresh=True)
    found = _warnings(log)
    if status or found:
        raise Failed(found or log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
