#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The frontend goes away - its nodes vanish, as when a guest is destroyed - in
each of its states, and says things that are no state for it. The backend lets
go of everything each time, and the next vif of the same name works."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from ring_frontend import RingFrontend  # noqa: E402
from report import Report, wait_for  # noqa: E402
from vif import CLOSED, CLOSING, CONNECTED, INITIALISED, INITIALISING, INIT_WAIT, \
    RECONFIGURED, STATE_NAMES, Vif  # noqa: E402

# The states the frontend goes through before it vanishes, and the state the
# backend must be in then (None: any).
LIVES = (
    ((INITIALISING,), INIT_WAIT),
    ((INITIALISED,), INIT_WAIT),
    ((CONNECTED,), CONNECTED),
    ((CONNECTED, CLOSING), CLOSING),
    ((CONNECTED, CLOSING, CLOSED), CLOSED),
    ((CONNECTED, CLOSED), CLOSED),
    ((CONNECTED, CLOSED, INITIALISING), INIT_WAIT),
    ((CONNECTED, INITIALISING), INIT_WAIT),
    ((CLOSING,), CLOSING),
    ((CLOSED,), CLOSED),
    ((CLOSED, CLOSING), CLOSING),
    ((INIT_WAIT,), None),
    ((RECONFIGURED,), None),
    ((CONNECTED, INIT_WAIT), None),
    ((9,), None),
    ((4294967295,), None),
)


def test(report):
    vif = Vif(report)
    for states, want in LIVES:
        life = ", ".join(STATE_NAMES[state] if state < 9 else str(state) for state in states)
        vif.attach(netfront=False)
        vif.need_back(INIT_WAIT, f"{life}: a new vif offers itself")
        front = RingFrontend(vif)
        for state in states:
            if state == CONNECTED:
                front.connect()
                vif.need_back(CONNECTED, f"{life}: connected on the way")
            else:
                vif.front_write("state", state)
        if want is not None:
            report.check(f"{life}: the backend is {STATE_NAMES[want]}", vif.wait_back(want, 5),
                         STATE_NAMES[vif.back_state()])
        vif.store.remove(vif.front_path)
        report.check(f"{life}, gone: the backend lets go", vif.gone(10))
        report.check(f"{life}, gone: its interface too",
                     wait_for(5, lambda: not os.path.exists(f"/sys/class/net/{vif.back.name}")))
        problem = vif.detach()
        report.need(f"{life}: nothing is left", not problem, problem)
    vif.ready()


if __name__ == "__main__":
    Report().run(test)
