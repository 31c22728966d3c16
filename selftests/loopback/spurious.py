#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 90
"""An event without work is counted as spurious, and slows only its sender down; an
event that brings work is not, whichever direction the work is in."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import Report, wait_for  # noqa: E402
from ring_frontend import OKAY, RingFrontend  # noqa: E402
from vif import Vif, read_file  # noqa: E402

COUNT = 20


class Events:
    """The backend's counts of its event channels."""

    def __init__(self, vif):
        self.directory = f"{vif.back_device}/xenbus"

    def count(self, name):
        return int(read_file(f"{self.directory}/{name}"))


def test(report):
    vif = Vif(report)
    vif.attach(netfront=False)
    front = RingFrontend(vif)
    memory, gref = front.grants.page()
    memory[:60] = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(46)
    # The C driver has a carrier only once there is a buffer.
    front.post_buffers([(0, front.grants.page()[1])])
    front.connect_and_wait()
    vif.back.quiet()
    vif.back.up()
    events = Events(vif)

    def after(name, action):
        """How many of COUNT actions were spurious; each is served before the next."""
        before = events.count("spurious_events")
        for _ in range(COUNT):
            seen = events.count("events")
            action()
            if not wait_for(5, lambda: events.count("events") > seen):
                report.check(f"{name}: each event comes in", False)
                break
        return events.count("spurious_events") - before

    found = after("no work", front.notify)
    report.check(f"{COUNT} events without work are spurious", found >= COUNT - 2, f"{found} were")

    def send():
        [ident] = front.send_slots([(gref, 0, 60, 0)])
        if front.statuses(1) != [(ident, OKAY)]:
            report.check("a packet after spurious events is answered", False)
    found = after("packets", send)
    report.check(f"{COUNT} events with a packet each are not", found <= 2, f"{found} were")

    report.need("carrier", wait_for(10, vif.back.running))
    with vif.back.socket() as sender:
        def receive():
            # Without a buffer the packet waits, and asks for the event.
            sender.send(b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(46))
            front.post_buffers([(1, front.grants.page()[1])])
            if [status for _, _, _, status in front.received(1)] != [60]:
                report.check("a packet that waited arrives", False)
        sender.send(b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(46))
        report.equal("the first packet has its buffer", len(front.received(1)), 1)
        found = after("buffers", receive)
    report.check(f"{COUNT} events with a buffer that is waited for are not", found <= 2, f"{found} were")
    report.equal("no error node", vif.error(), None)


if __name__ == "__main__":
    Report().run(test)
