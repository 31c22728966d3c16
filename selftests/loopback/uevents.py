#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The events that udev rules of toolstacks wait for: online when the vif's network
interface is there, offline while it still is, both with script and vif."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from report import Report  # noqa: E402
from uevents import Uevents  # noqa: E402
from vif import INIT_WAIT, Vif  # noqa: E402


def test(report):
    vif = Vif(report)
    uevents = Uevents()
    device = os.path.basename(vif.back_device)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    for action in ("online", "offline"):
        if action == "offline":
            vif.detach()
        event = uevents.wait(action, device) or {}
        report.equal(f"{action}: script", event.get("script"), "/bin/true")
        report.equal(f"{action}: vif", event.get("vif"), vif.back.name)
        report.equal(f"{action}: path", event.get("XENBUS_PATH"), f"backend/vif/{vif.domid}/{vif.handle}")


if __name__ == "__main__":
    Report().run(test)
