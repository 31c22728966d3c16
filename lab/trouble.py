# SPDX-License-Identifier: GPL-2.0
"""Finds trouble on consoles (BUG, WARNING, ...) and the test that it came from."""

import re
import subprocess

from lab import settings

PROGRAM = settings.CHECKOUT / "selftests/trouble"
OUTSIDE = "console/outside-tests"


def _find(lines):
    """Those of the lines that mean trouble, by the rules that the selftests have."""
    done = subprocess.run([PROGRAM], input="\n".join(lines), text=True, capture_output=True, check=False)
    return done.stdout.splitlines()


class Consoles:
    """Keeps console lines in order, each under the test between whose marks it came."""

    def __init__(self):
        self.current = {}  # log name: test
        self._lines = {}  # test: {log name: lines}
        self._told = {}  # test: trouble that was told of it

    def line(self, log, text):
        mark = re.search(r"selftests: (begin|end) (\S+)", text)
        if mark:
            self.current[log] = mark[2] if mark[1] == "begin" else None
        else:
            test = self.current.get(log) or OUTSIDE
            self._lines.setdefault(test, {}).setdefault(log, []).append(text)

    def trouble(self, test):
        """What is known by now of this test's trouble."""
        found = [f"{log}: {line}" for log, lines in self._lines.get(test, {}).items() for line in _find(lines)]
        self._told[test] = found
        return found

    def rest(self):
        """At the end: trouble outside of tests, and what came after its test had been judged."""
        found = self.trouble(OUTSIDE)
        for test, told in list(self._told.items()):
            if test != OUTSIDE:
                found += [f"{test}: {line}" for line in self.trouble(test) if line not in told]
        return found
