#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 180
"""TCP and UDP both ways with contents compared, while each of the offloads that
change what goes over the rings is taken away at either end."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from ipcheck import tcp, udp_sizes  # noqa: E402
from report import Report  # noqa: E402
from vif import NETNS, Vif  # noqa: E402

OCTETS = 400 * 1024
DATAGRAMS = [0, 1, 2, 21, 86, 87, 1471, 1472, 1473, 4054, 8192, 32768, 65507]


def both_ways(report, vif, how):
    for name, source, target, address in (
            ("frontend to backend", NETNS, None, vif.back_ip),
            ("backend to frontend", None, NETNS, vif.front_ip)):
        why = tcp(source, target, address, OCTETS)
        report.check(f"TCP {name}, {how}", not why, why)
        why = udp_sizes(source, target, address, DATAGRAMS)
        report.check(f"UDP {name}, {how}", not why, why)


def test(report):
    vif = Vif(report)
    vif.ready_with_addresses()
    both_ways(report, vif, "all offloads")
    for end, netdev in (("backend", vif.back), ("frontend", vif.front)):
        netdev.ethtool("-K", "tso", "off")
        both_ways(report, vif, f"no TSO at the {end}")
        netdev.ethtool("-K", "sg", "off")
        both_ways(report, vif, f"no scatter-gather at the {end}")
        netdev.ethtool("-K", "tx", "off")
        both_ways(report, vif, f"no checksum offload at the {end}")
        netdev.ethtool("-K", "tx", "on", "sg", "on", "tso", "on")


if __name__ == "__main__":
    Report().run(test)
