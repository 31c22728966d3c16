#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
"""10 000 numbered frames each way: none lost, doubled, changed or reordered, the
vif's counters equal to what was sent, and honest traffic makes the event channel
fire for a reason."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from frames import transfer  # noqa: E402
from report import Report  # noqa: E402
from vif import Vif, read_file  # noqa: E402

COUNT = 10000


def test(report):
    vif = Vif(report)
    vif.ready()
    # 60 to 1514 bytes, in an order without a period that a ring's size divides.
    sizes = [60 + number * 61 % 1455 for number in range(COUNT)]
    for name, source, target, packets, octets in (
            ("frontend to backend", vif.front, vif.back, 1, 0),
            ("backend to frontend", vif.back, vif.front, 5, 4)):
        before = vif.back.counters()
        why = transfer(source, target, sizes)
        report.check(f"{COUNT} frames {name}", not why, why)
        after = vif.back.counters()
        report.equal(f"packets counted, {name}", after[packets] - before[packets], COUNT)
        if octets == 0:
            report.c_fails("it counts what the guest sends without the Ethernet header")
        report.equal(f"bytes counted, {name}", after[octets] - before[octets], sum(sizes))
        report.equal(f"errors and drops counted, {name}",
                     [after[i] - before[i] for i in (2, 3, 6, 7)], [0, 0, 0, 0])
    events = int(read_file(f"{vif.back_device}/xenbus/events"))
    spurious = vif.spurious_events()
    report.check("fewer than 1 event in 20 was spurious", spurious * 20 <= events,
                 f"{spurious} of {events}")
    report.check("events were counted", events > 0)
    print(f"# {events} events, {spurious} spurious", flush=True)


if __name__ == "__main__":
    Report().run(test)
