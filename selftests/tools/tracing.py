# SPDX-License-Identifier: GPL-2.0
"""The kernel's own events, in a trace buffer of the test's."""
import os

from report import Skip
from vif import write_file

TRACING = "/sys/kernel/tracing"


class Tracing:
    """A buffer in which these events ("group/event", or "group" for all of one)
    are on until the end of the test."""

    def __init__(self, report, *events):
        if not os.path.isdir(f"{TRACING}/events"):
            raise Skip("no tracefs in " + TRACING)
        self.instance = f"{TRACING}/instances/xnbt"
        self.events = events
        os.mkdir(self.instance)
        report.at_exit(os.rmdir, self.instance)
        self.enable()

    def enable(self, on=True):
        for event in self.events:
            write_file(f"{self.instance}/events/{event}/enable", "1" if on else "0")

    def take(self):
        """The lines that came since they were last taken."""
        with open(f"{self.instance}/trace", encoding="utf-8") as file:
            text = file.read()
        write_file(f"{self.instance}/trace", "")
        return text
