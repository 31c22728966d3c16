#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Frames of 14 to 60 bytes, down to a bare Ethernet header, each size both ways
and unpadded; and every size around the limits of what is copied and of a page."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from frames import SMALLEST, transfer  # noqa: E402
from report import Report  # noqa: E402
from vif import Vif  # noqa: E402


def test(report):
    vif = Vif(report)
    vif.ready()
    for netdev in (vif.back, vif.front):
        netdev.mtu = 9000
    around = [limit + delta for limit in (64, 128, 256, 1024, 2048, 4096, 8192)
              for delta in (-2, -1, 0, 1, 2)]
    for name, source, target in (("to the backend", vif.front, vif.back),
                                 ("to the frontend", vif.back, vif.front)):
        # One at a time: the shortest carry no number to tell them by.
        why = transfer(source, target, list(range(SMALLEST, 61)) * 2, window=1)
        report.check(f"{SMALLEST} to 60 bytes {name}", not why, why)
        why = transfer(source, target, around * 2)
        report.check(f"sizes around powers of two {name}", not why, why)


if __name__ == "__main__":
    Report().run(test)
