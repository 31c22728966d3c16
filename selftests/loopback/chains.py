#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 90
"""Packets in every layout of slots that the protocol knows, from a frontend that
is this program: what must be accepted arrives byte for byte, what is merely bad is
answered with an error, and every request gets its answer in order."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report  # noqa: E402
from ring_frontend import ERROR, EXTRA_INFO, MORE_DATA, NULL, OKAY, PAGE, RingFrontend  # noqa: E402
from vif import Vif  # noqa: E402

HEADER = b"\xff" * 6 + b"\x00\x16\x3e\x00\x00\x0a" + ETHERTYPE.to_bytes(2, "big")


class Chains:
    def __init__(self, report):
        self.report = report
        self.vif = Vif(report)
        self.vif.attach(netfront=False)
        self.front = RingFrontend(self.vif)
        self.front.connect_and_wait()
        self.vif.need_open()
        self.pages = [self.front.grants.page() for _ in range(24)]
        self.tap = self.vif.back.socket()
        self.tap.settimeout(5)
        self.number = 0

    def frame(self, length):
        """A frame of LENGTH bytes that no other test frame equals."""
        self.number += 1
        body = (bytes(range(256)) * (length // 256 + 1))[:length]
        stamp = self.number.to_bytes(4, "big")
        return (HEADER + stamp + body)[:length]

    def lay_out(self, frame, sizes, offsets=None):
        """The frame in slots of these sizes: the first's request has the total."""
        slots = []
        start = 0
        for number, size in enumerate(sizes):
            memory, gref = self.pages[number % len(self.pages)]
            offset = offsets[number] if offsets else 0
            memory[offset:offset + size] = frame[start:start + size]
            start += size
            flags = MORE_DATA if number + 1 < len(sizes) else 0
            slots.append((gref, offset, len(frame) if number == 0 else size, flags))
        return slots

    def arrives(self, name, sizes, offsets=None, c_fails=None):
        frame = self.frame(sum(sizes))
        slots = self.lay_out(frame, sizes, offsets)
        ids = self.front.send_slots(slots)
        # First the frame, then the answers: a backend that lends the guest's pages
        # to the stack answers when the stack is done with them, in any order.
        try:
            got = self.tap.recv(1 << 17)
        except TimeoutError:
            got = None
        if c_fails:
            self.report.c_fails(c_fails)
        self.report.check(f"{name}: arrives whole", got == frame,
                          f"got {len(got or b'')} bytes of {len(frame)}")
        if c_fails:
            self.report.c_fails(c_fails)
        self.report.equal(f"{name}: answers", sorted(self.front.statuses(len(slots))),
                          sorted((ident, OKAY) for ident in ids))

    def refused(self, name, slots, statuses):
        ids = self.front.send_slots(slots)
        got = self.front.statuses(len(slots))
        self.report.equal(f"{name}: answers", [status for _, status in got], statuses)
        self.report.equal(f"{name}: ids", [ident for ident, (_, status) in zip(ids, got)
                                           if status != NULL],
                          [ident for (ident, status) in got if status != NULL])


def test(report):
    t = Chains(report)
    t.arrives("one slot of 14 bytes", [14])
    t.arrives("one slot of 60 bytes", [60])
    t.arrives("one slot that fills a page", [PAGE])
    t.arrives("one slot at the end of a page", [100], [PAGE - 100])
    t.arrives("two slots", [PAGE, 1000])
    t.arrives("header over many slots", [1] * 17 + [80],
              c_fails="drops a packet whose first 17 slots are of one byte")
    t.arrives("header ends with a slot", [14, 20, 20, 1000])
    t.arrives("18 slots", [64] * 18)
    t.arrives("19 slots, 18 after the first", [64] * 19)
    t.arrives("16 pages", [PAGE] * 15 + [4095])
    t.arrives("64 KiB less one byte over odd offsets", [3640] * 18 + [15],
              [7 * i for i in range(19)])
    t.arrives("a slot of no bytes in the middle", [60, 0, 100])
    t.arrives("a slot of no bytes at the end", [60, 100, 0])
    t.arrives("a slot of no bytes first", [0, 60, 100],
              c_fails="drops a packet whose first slot is empty")

    gref = t.pages[0][1]
    t.refused("13 bytes", [(gref, 0, 13, 0)], [ERROR])
    t.refused("no bytes", [(gref, 0, 0, 0)], [ERROR])
    t.refused("slots longer than the packet",
              [(gref, 0, 100, MORE_DATA), (gref, 0, 200, 0)], [ERROR] * 2)
    t.refused("20 slots", [(gref, 0, 1000, MORE_DATA)] + [(gref, 0, 10, MORE_DATA)] * 18 +
              [(gref, 0, 10, 0)], [ERROR] * 20)
    t.refused("a grant that is none", [(0x7fffffff, 0, 100, 0)], [ERROR])
    if DRIVER != "xen-netback":
        # The C driver ignores this extra info, which is only ever for a frontend.
        extra = bytes((5, 0, 0, 1, 0, 0, 0, 0))
        t.refused("extra info about XDP",
                  [(gref, 0, 100, EXTRA_INFO), extra], [ERROR, NULL])
    t.arrives("and an honest packet after all that", [60])

    before = t.vif.back.counters()
    t.arrives("last", [60])
    report.equal("counted once", t.vif.back.counters()[1] - before[1], 1)
    report.equal("no error node", t.vif.error(), None)


if __name__ == "__main__":
    Report().run(test)
