#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 180
"""Keys that a frontend must write, missing or malformed. The backend says which
key and what was in it in its error node, goes to Closing, and never to Connected.
Then an honest frontend on the same vif connects."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from ring_frontend import RingFrontend  # noqa: E402
from report import Report, wait_for  # noqa: E402
from vif import CLOSING, CONNECTED, INIT_WAIT, STATE_NAMES, Vif  # noqa: E402

Q1 = "the result of connecting is ignored and Connected is written after the error"
LENIENT = "it takes what a number begins with, and unset flags for granted"
MUTE = "its message names no value"

# What is written in place of the honest key; None: nothing.
CASES = (
    ("tx-ring-ref", None), ("tx-ring-ref", "abc"), ("tx-ring-ref", ""),
    ("tx-ring-ref", "-1"), ("tx-ring-ref", "4294967296"), ("tx-ring-ref", "8x"),
    ("rx-ring-ref", None), ("rx-ring-ref", "0x10 "),
    ("event-channel", None), ("event-channel", "abc"), ("event-channel", "4294967296"),
    ("request-rx-copy", None), ("request-rx-copy", "0"), ("request-rx-copy", "yes"),
    ("multi-queue-num-queues", "0"), ("multi-queue-num-queues", "1abc"),
    ("multi-queue-num-queues", "4294967296"), ("multi-queue-num-queues", "4294967297"),
    ("multi-queue-num-queues", "100000"),
    # Well formed, but there is no such grant and no such port.
    ("tx-ring-ref", "1000000"), ("rx-ring-ref", "1000000"), ("event-channel", "1000000"),
)


def states_seen(vif, seconds):
    """The states the backend takes until it is Closing or Connected, and a
    moment longer: another may follow at once."""
    seen = []

    def settled():
        state = vif.back_state()
        if not seen or seen[-1] != state:
            seen.append(state)
        return state in (CLOSING, CONNECTED)
    wait_for(seconds, settled)
    wait_for(0.3, lambda: settled() and False)
    return seen


def test(report):
    vif = Vif(report)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    front = RingFrontend(vif)
    for key, value in CASES:
        what = f"{key} {'missing' if value is None else repr(value)}"
        vif.store.remove(vif.error_path)
        front.connect(**{key: value})
        seen = states_seen(vif, 5)
        report.c_fails(f"{Q1}; {LENIENT}")
        report.check(f"{what}: Closing, never Connected",
                     seen[-1] == CLOSING and CONNECTED not in seen,
                     "it went " + ", ".join(STATE_NAMES[state] for state in seen))
        error = vif.error() or ""
        report.c_fails(MUTE)
        report.check(f"{what}: the error node names the key and the value",
                     key in error and (not value or value.strip() in error), f"it says {error!r}")
        report.need(f"{what}: the frontend can close", front.withdraw(),
                    STATE_NAMES[vif.back_state()])
        front.start_again()
        vif.need_back(INIT_WAIT, f"{what}: the backend offers itself again")
    front.connect(event_channel_tx=front.port)
    report.c_fails("takes event-channel then")
    report.check("event-channel-tx without event-channel-rx: Closing, never Connected",
                 CONNECTED not in states_seen(vif, 5))
    report.c_fails("takes event-channel then")
    report.check("the error node says so, with the error's number",
                 (vif.error() or "").startswith("2 frontend wrote no event-channel-rx"), vif.error())
    front.leave()
    vif.store.remove(vif.error_path)
    front.connect()
    vif.need_back(CONNECTED, "an honest frontend connects after all of them")
    report.equal("and there is no error", vif.error(), None)


if __name__ == "__main__":
    Report().run(test)
