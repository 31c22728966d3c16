# SPDX-License-Identifier: GPL-2.0
"""Results in KTAP, conditions with a deadline and cleaning up, for the tests
that are written in Python. lib/test.sh is the same for those in bash."""
import os
import signal
import sys
import time
import traceback

DRIVER = os.environ.get("DRIVER", "xen_netback_rs")


class GiveUp(Exception):
    """After a failure that makes the rest of a test pointless."""


class Skip(Exception):
    """The machine lacks what the test needs; not a failure."""


def note(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def wait_for(seconds, condition):
    """The first true value of condition(), or the last false one at the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() >= end:
            return value
        time.sleep(0.03)


class Report:
    """The results of one test. Cleanups run last first, whatever happened."""

    def __init__(self):
        self.results = 0
        self.failures = 0
        self.expected_from_c = None
        self.cleanups = []

    def at_exit(self, function, *arguments):
        self.cleanups.insert(0, (function, arguments))

    def c_fails(self, reason):
        """The next result is known to be a failure with the C driver."""
        if DRIVER == "xen-netback":
            self.expected_from_c = reason

    def check(self, name, passed, why=""):
        self.results += 1
        expected, self.expected_from_c = self.expected_from_c, None
        if passed:
            print(f"ok {self.results} {name}", flush=True)
            if expected:
                note(f"the C driver was expected to fail this: {expected}")
            return True
        note(why)
        if expected:
            print(f"ok {self.results} {name} # XFAIL the C driver: {expected}", flush=True)
            return False
        print(f"not ok {self.results} {name}", flush=True)
        self.failures += 1
        return False

    def equal(self, name, got, want):
        return self.check(name, got == want, f"got {got!r}, want {want!r}")

    def need(self, name, passed, why=""):
        """As check, and without it the test can't go on."""
        if not self.check(name, passed, why):
            raise GiveUp

    def run(self, test):
        """Run test(self), clean up, and exit with the status the runner expects."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        status = 0
        try:
            test(self)
        except GiveUp:
            pass
        except Skip as reason:
            note(f"skipped: {reason}")
            if "SKIP_REASON_FILE" in os.environ:
                with open(os.environ["SKIP_REASON_FILE"], "w", encoding="ascii") as file:
                    file.write(str(reason))
            status = 4
        except SystemExit as end:
            status = end.code
        except BaseException:  # whatever it is, it is this test's failure
            self.expected_from_c = None
            self.check("no exception", False, traceback.format_exc())
        for function, arguments in self.cleanups:
            try:
                function(*arguments)
            except BaseException:
                self.check("cleaning up", False, traceback.format_exc())
        sys.exit(status or int(self.failures > 0))
