#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""MTU: the smallest, the usual, jumbo and the largest carry frames of exactly
that size both ways; what is beyond, or beyond a frontend without
scatter-gather, is refused."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
import errno  # noqa: E402

from frames import transfer  # noqa: E402
from ring_frontend import RingFrontend  # noqa: E402
from ipcheck import ping_sizes  # noqa: E402
from report import Report, wait_for  # noqa: E402
from vif import CONNECTED, INIT_WAIT, NETNS, Vif  # noqa: E402


def refused(netdev, mtu):
    """Why it was not refused as it should be, or nothing."""
    before = netdev.mtu
    try:
        netdev.mtu = mtu
    except OSError as error:
        return "" if error.errno == errno.EINVAL and netdev.mtu == before else str(error)
    return f"accepted, the MTU is {netdev.mtu}"


def test(report):
    vif = Vif(report)
    vif.ready_with_addresses()
    for mtu in (68, 1500, 9000, 65517):
        for netdev in (vif.front, vif.back):
            netdev.mtu = mtu
        report.equal(f"MTU {mtu} is accepted", vif.back.mtu, mtu)
        sizes = [mtu + 14, mtu + 13, 60, mtu + 14]
        for name, source, target in (("to the backend", vif.front, vif.back),
                                     ("to the frontend", vif.back, vif.front)):
            why = transfer(source, target, sizes)
            report.check(f"MTU {mtu}: full frames {name}", not why, why)
        for name, netns, target in (("frontend", NETNS, vif.back_ip),
                                    ("backend", None, vif.front_ip)):
            why = ping_sizes(netns, target, [mtu - 28], dont_fragment=True)
            report.check(f"MTU {mtu}: the {name}'s side pings without fragments", not why, why)
    for mtu in (0, 67, 65518, 65535, 1 << 20):
        why = refused(vif.back, mtu)
        report.check(f"MTU {mtu} is refused", not why, why)

    # Without scatter-gather a frame has one slot of the ring, so 1500 it is.
    problem = vif.detach()
    report.need("detach", not problem, problem)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    front = RingFrontend(vif)
    vif.back.mtu = 9000
    front.connect()
    vif.need_back(CONNECTED, "a frontend without feature-sg connects")
    report.check("it brings the MTU down from 9000 to 1500",
                 wait_for(5, lambda: vif.back.mtu == 1500), vif.back.mtu)
    for mtu in (1501, 9000):
        why = refused(vif.back, mtu)
        report.check(f"MTU {mtu} is refused without feature-sg", not why, why)
    vif.back.mtu = 1400
    report.equal("MTU 1400 is accepted without feature-sg", vif.back.mtu, 1400)
    report.check("scatter-gather is off without feature-sg",
                 "scatter-gather: off" in vif.back.ethtool("-k"))


if __name__ == "__main__":
    Report().run(test)
