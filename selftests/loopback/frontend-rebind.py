#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The guest's driver is unloaded and loaded on the same vif: carrier off, on
again, the interface and its statistics are the same ones as before."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from frames import transfer  # noqa: E402
from report import Report, wait_for  # noqa: E402
from vif import CLOSED, CONNECTED, Vif  # noqa: E402

FRAMES = [60, 1514, 700] * 20


def test(report):
    vif = Vif(report)
    vif.ready()
    for turn in (1, 2, 3):
        for name, source, target in (("to the backend", vif.front, vif.back),
                                     ("to the frontend", vif.back, vif.front)):
            why = transfer(source, target, FRAMES)
            report.check(f"traffic {name}, connection {turn}", not why, why)
        index = open_text(f"/sys/class/net/{vif.back.name}/ifindex")
        before = vif.back.counters()
        report.need(f"netfront unbinds, connection {turn}", vif.netfront_unbind())
        report.check(f"backend is Closed, connection {turn}", vif.wait_back(CLOSED))
        report.check(f"carrier is off, connection {turn}",
                     wait_for(5, lambda: not vif.back.running()))
        report.equal(f"the interface stays, connection {turn}",
                     open_text(f"/sys/class/net/{vif.back.name}/ifindex"), index)
        report.c_fails("its statistics live in the queues and go with them")
        report.equal(f"statistics survive, connection {turn}", vif.back.counters()[1::4], before[1::4])
        report.need(f"netfront binds, connection {turn}", vif.netfront_bind())
        vif.need_back(CONNECTED, f"backend is Connected again, connection {turn}")
        why = vif.connected()
        report.need(f"carrier is on again, connection {turn}", not why, why)


def open_text(path):
    with open(path, encoding="ascii") as file:
        return file.read()


if __name__ == "__main__":
    Report().run(test)
