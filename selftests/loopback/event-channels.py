#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One event channel for both directions, and one for each: with either setting
of separate_tx_rx_irq the frontend takes what is offered, traffic flows both ways
and nearly no event is spurious."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from frames import transfer  # noqa: E402
from report import Report  # noqa: E402
from vif import Vif, load_driver, read_file  # noqa: E402


def front_keys(vif):
    """The frontend's keys of its first queue, wherever it put them."""
    path = vif.front_path
    if "queue-0" in vif.store.list(path):
        path += "/queue-0"
    return vif.store.list(path)


def test(report):
    report.at_exit(load_driver)
    vif = Vif(report)
    for separate, keys in ((0, {"event-channel"}), (1, {"event-channel-tx", "event-channel-rx"})):
        how = f"separate_tx_rx_irq={separate}"
        load_driver(how)
        vif.ready()
        report.equal(f"feature-split-event-channels with {how}",
                     vif.back_read("feature-split-event-channels"), str(separate))
        report.equal(f"the frontend's channels with {how}",
                     {key for key in front_keys(vif) if key.startswith("event-channel")}, keys)
        for name, source, target in (("to the backend", vif.front, vif.back),
                                     ("to the frontend", vif.back, vif.front)):
            why = transfer(source, target, [60 + number % 1400 for number in range(400)])
            report.check(f"400 frames {name} with {how}", not why, why)
        events, spurious = (int(read_file(f"{vif.back_device}/xenbus/{name}"))
                            for name in ("events", "spurious_events"))
        report.check(f"fewer than 1 event in 20 was spurious with {how}",
                     0 < events and spurious * 20 <= events, f"{spurious} of {events}")
        problem = vif.detach()
        report.need("detach", not problem, problem)


if __name__ == "__main__":
    Report().run(test)
