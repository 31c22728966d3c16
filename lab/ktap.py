# SPDX-License-Identifier: GPL-2.0
"""Reads KTAP (the kernel's test protocol) line by line into results."""

import dataclasses
import re
import time

PASS, FAIL, SKIP = "ok", "FAIL", "skip"


@dataclasses.dataclass
class Result:
    name: str
    status: str
    seconds: float | None = None
    detail: list = dataclasses.field(default_factory=list)  # what the test said
    note: str = ""  # shown in the table


_LINE = re.compile(r"(ok|not ok) \d+ (?:- )?(\S+)(?:\s+#\s*(.*))?$")


class Reader:
    """Top-level results only; indented lines and diagnostics belong to the result that follows them."""

    def __init__(self):
        self.results, self.detail, self.bail = [], [], ""
        self.since = time.monotonic()

    def line(self, text):
        """Takes a line; returns the Result that it completes, or None."""
        match = _LINE.match(text)
        if not match:
            if text.startswith("Bail out!"):
                self.bail = text
            self.detail.append(text)
            return None
        status, name, directive = match.groups()
        note = ""
        if directive and directive.upper().startswith("SKIP"):
            status, note = SKIP, directive[4:].strip()
        else:
            status = PASS if status == "ok" else FAIL
        now = time.monotonic()
        result = Result(name, status, now - self.since, self.detail, note)
        self.results.append(result)
        self.detail, self.since = [], now
        return result
