#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A packet that somebody in this domain holds on to: its sender has its slots back
at once, can go, and others come meanwhile."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import Report  # noqa: E402
from ring_frontend import MORE_DATA, OKAY, PAGE, RingFrontend  # noqa: E402
from vif import CLOSED, CONNECTED, INIT_WAIT, Vif  # noqa: E402

C_WAITS = "waits until the packet is read"


def test(report):
    vif, other = Vif(report), Vif(report, handle=11)
    for each in (vif, other):
        each.attach(netfront=False)
        each.need_back(INIT_WAIT)
    front = RingFrontend(vif)
    front.post_buffers([(0, front.grants.page()[1])])  # for a carrier with the C driver
    front.connect_and_wait()
    vif.need_open()

    data = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(range(250)) * 24
    pages = [front.grants.page() for _ in range(2)]
    for (memory, _), at in zip(pages, (0, PAGE)):
        memory[:len(data[at:at + PAGE])] = data[at:at + PAGE]
    with vif.back.socket() as sock:
        ids = front.send_slots([(pages[0][1], 0, len(data), MORE_DATA),
                                (pages[1][1], 0, len(data) - PAGE, 0)])
        report.c_fails(C_WAITS)
        report.equal("the slots of a packet that nobody reads are answered", front.statuses(2),
                     [(ident, OKAY) for ident in ids])
        # The sender may use its pages for something else now.
        for memory, _ in pages:
            memory[:PAGE] = b"\xee" * PAGE
        vif.front_write("state", CLOSED)
        report.c_fails(C_WAITS)
        report.check("its sender can go", vif.wait_back(CLOSED, 5))
        RingFrontend(other).connect()
        report.c_fails(C_WAITS)
        report.check("others can come", other.wait_back(CONNECTED, 5))
        sock.settimeout(10)
        got = sock.recv(1 << 16)
        report.c_fails("the packet still is the guest's memory")
        report.check("the packet is what it was", got == data, f"{len(got)} bytes")
    report.check("the sender is gone in the end", vif.wait_back(CLOSED))
    for each in (vif, other):
        problem = each.detach()
        report.need("detach", not problem, problem)


if __name__ == "__main__":
    Report().run(test)
