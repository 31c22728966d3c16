#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Echoes of every interesting size both ways: empty, around the copied header's
length, the MTU, a page, a ring slot's limit, and up to the largest datagram,
which goes as IPv4 fragments."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from ipcheck import ping_sizes  # noqa: E402
from netdev import run  # noqa: E402
from report import Report  # noqa: E402
from vif import NETNS, Vif  # noqa: E402

SIZES = [0, 1, 2, 17, 18, 55, 56, 57, 85, 86, 87, 127, 128, 129, 255, 256, 257, 1023, 1024,
         1471, 1472, 1473, 1480, 2951, 2952, 2953, 4053, 4054, 4055, 4067, 4068, 4069, 4095,
         4096, 4097, 8191, 8192, 8193, 16384, 32767, 32768, 65506, 65507]


def test(report):
    vif = Vif(report)
    vif.ready_with_addresses()
    for name, netns, target in (("frontend", NETNS, vif.back_ip), ("backend", None, vif.front_ip)):
        for sizes in (SIZES[:19], SIZES[19:33], SIZES[33:]):
            why = ping_sizes(netns, target, sizes)
            report.check(f"the {name}'s side pings with {sizes[0]} to {sizes[-1]} bytes",
                         not why, why)
        run(*(("ip", "netns", "exec", netns) if netns else ()), "ping", "-n", "-q", "-c", "2",
            "-i", "0.1", "-W", "5", target)


if __name__ == "__main__":
    Report().run(test)
