#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Frames of one to several slots, so that the rings of 256 slots go round more
than three times each way and frames straddle their end at every offset. The ids
of slots are reused all the way."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from frames import transfer  # noqa: E402
from report import Report  # noqa: E402
from vif import Vif  # noqa: E402

RING = 256
PAGE = 4096


def test(report):
    vif = Vif(report)
    vif.ready()
    for netdev in (vif.back, vif.front):
        netdev.mtu = 65517
    # 1, 3, 2, 5, 4, 16, 1, 8 slots: 40 of them, which does not divide the ring.
    sizes = [slots * PAGE - 100 - step for step in range(28)
             for slots in (1, 3, 2, 5, 4, 16, 1, 8)]
    slots = sum((size + PAGE - 1) // PAGE for size in sizes)
    report.check("enough for three rounds", slots > 3 * RING, slots)
    for name, source, target, counter in (("to the backend", vif.front, vif.back, 1),
                                          ("to the frontend", vif.back, vif.front, 5)):
        before = vif.back.counters()[counter]
        why = transfer(source, target, sizes, window=8)
        report.check(f"{len(sizes)} frames in {slots} slots {name}", not why, why)
        report.equal(f"packets counted {name}", vif.back.counters()[counter] - before, len(sizes))
        # One slot at a time, and never more than one: each id comes alone.
        why = transfer(source, target, [60] * (RING + 1), window=1)
        report.check(f"{RING + 1} frames one by one {name}", not why, why)


if __name__ == "__main__":
    Report().run(test)
