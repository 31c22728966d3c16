#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ip link set down and up on the vif with a connected frontend: down, nothing
passes and nothing breaks; up, all is as before, and counters only ever grow."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from frames import Pump, drained, transfer  # noqa: E402
from report import Report, wait_for  # noqa: E402
from vif import CONNECTED, Vif  # noqa: E402

FRAMES = [60, 1514, 700] * 50


def test(report):
    vif = Vif(report)
    vif.ready()
    for turn in (1, 2, 3):
        for name, source, target in (("to the backend", vif.front, vif.back),
                                     ("to the frontend", vif.back, vif.front)):
            why = transfer(source, target, FRAMES)
            report.check(f"frames {name}, turn {turn}", not why, why)
        before = vif.back.counters()
        vif.back.down()
        # More than a ring full, so that the next up finds a frontend that waits.
        pump = Pump(vif.front, vif.back)
        came = sum(pump.step() for _ in range(40))
        report.equal(f"nothing passes while down, turn {turn}", came, 0)
        report.equal(f"still Connected while down, turn {turn}", vif.back_state(), CONNECTED)
        after = vif.back.counters()
        report.equal(f"nothing is counted while down, turn {turn}", after[0:2], before[0:2])
        report.check(f"counters do not go back, turn {turn}",
                     all(a >= b for a, b in zip(after, before)), f"{before} -> {after}")
        vif.back.up()
        report.check(f"carrier after up, turn {turn}", wait_for(10, vif.back.running))
        flowing = pump.run_until(20, 10)
        pump.close()
        report.need(f"traffic flows after up, turn {turn}", flowing)
        wait_for(5, lambda: drained(vif.back))


if __name__ == "__main__":
    Report().run(test)
