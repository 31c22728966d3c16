#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 600
"""A vif is attached and detached 50 times with traffic both ways at the moment
it goes: each life must connect, carry frames and end in bounded time."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
import threading  # noqa: E402

from frames import Pump  # noqa: E402
from report import Report  # noqa: E402
from vif import Vif  # noqa: E402

TIMES = 50


def one_life(vif):
    """What went wrong in it, or nothing."""
    vif.attach()
    why = vif.connected()
    if why:
        return why
    to_back, to_front = Pump(vif.front, vif.back), Pump(vif.back, vif.front)
    stop = threading.Event()

    def keep_going():
        while not stop.wait(0.01):
            to_front.step()
    traffic = threading.Thread(target=keep_going)
    try:
        for pump, way in ((to_back, "to the backend"), (to_front, "to the frontend")):
            if not pump.run_until(20, 10):
                return f"no traffic {way}"
        traffic.start()
        # A burst is on the way from the frontend when it goes, but it sends no
        # more: xen-netfront does not stop its own transmit function before it
        # frees the ring, and a frame at that moment is a NULL dereference in
        # the guest (seen with 7.3.4), which here is dom0.
        for _ in range(8):
            to_back.send()
        return vif.detach()
    finally:
        stop.set()
        if traffic.is_alive():
            traffic.join()
        to_back.close()
        to_front.close()


def test(report):
    vif = Vif(report)
    for number in range(1, TIMES + 1):
        why = one_life(vif)
        if why:
            report.need(f"life {number} of {TIMES}", False, why)
        if number % 10 == 0:
            report.check(f"{number} times attached and detached under traffic", True)


if __name__ == "__main__":
    Report().run(test)
