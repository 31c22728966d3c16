# SPDX-License-Identifier: GPL-2.0
"""Finds trouble on consoles (BUG, WARNING, ...) and the test that it came from."""

import re

from lab import settings

PATTERNS = settings.CHECKOUT / "selftests/trouble-patterns"
OUTSIDE = "console/outside-tests"

# The classes of extended regular expressions that Python writes differently.
_POSIX_CLASSES = {"[:alpha:]": "a-zA-Z", "[:digit:]": "0-9", "[:alnum:]": "a-zA-Z0-9", "[:space:]": r"\s",
                  "[:xdigit:]": "0-9a-fA-F", "[:upper:]": "A-Z", "[:lower:]": "a-z", "[:punct:]": r"!-/:-@\[-`{-~"}


def patterns():
    found = []
    if PATTERNS.exists():
        for line in PATTERNS.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                for posix, python in _POSIX_CLASSES.items():
                    line = line.replace(posix, python)
                found.append(re.compile(line))
    return found


class Consoles:
    """Reads console lines in order; remembers each bad one under the test between whose marks it came."""

    def __init__(self):
        self.patterns = patterns()
        self.current = {}  # log name: test
        self.found = {}  # test: lines

    def line(self, log, text):
        mark = re.search(r"selftests: (begin|end) (\S+)", text)
        if mark:
            self.current[log] = mark[2] if mark[1] == "begin" else None
        elif any(p.search(text) for p in self.patterns):
            self.found.setdefault(self.current.get(log) or OUTSIDE, []).append(f"{log}: {text}")
