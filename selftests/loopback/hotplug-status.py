#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The backend says Connected only when the toolstack's script has said so in
hotplug-status: not while it is empty, nor for any other word."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from ring_frontend import RingFrontend  # noqa: E402
from report import Report, wait_for  # noqa: E402
from vif import CONNECTED, INIT_WAIT, Vif  # noqa: E402


def stays(vif, state, seconds=0.7):
    """The state does not change for a while. Only its staying can be observed,
    so this one does wait."""
    return not wait_for(seconds, lambda: vif.back_state() != state)


def test(report):
    vif = Vif(report)
    vif.attach(back={"hotplug-status": ""}, netfront=False)
    vif.need_back(INIT_WAIT)
    RingFrontend(vif).connect()
    report.check("not Connected before the script has run", stays(vif, INIT_WAIT), vif.back_state())
    for word in ("error", "Connected", "connected2", "1"):
        vif.back_write("hotplug-status", word)
        report.check(f"not Connected for hotplug-status = {word}", stays(vif, INIT_WAIT, 0.3),
                     vif.back_state())
    vif.back_write("hotplug-status", "connected")
    vif.need_back(CONNECTED, "Connected for hotplug-status = connected")
    vif.back_write("hotplug-status", "error")
    report.check("stays Connected whatever is written later", stays(vif, CONNECTED, 0.3),
                 vif.back_state())
    problem = vif.detach()
    report.check("detach", not problem, problem)
    report.equal("hotplug-status is gone with the vif", vif.back_read("hotplug-status"), None)


if __name__ == "__main__":
    Report().run(test)
