#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 120
"""A frontend that lies about its rings is cut off: no carrier, the error node says
why, and the next frontend on the same vif is served."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from report import DRIVER, Report, Skip, wait_for  # noqa: E402
from ring_frontend import EXTRA_INFO, MORE_DATA, RingFrontend  # noqa: E402
from vif import CLOSED, CLOSING, INIT_WAIT, INITIALISING, Vif  # noqa: E402


def index_jump(front, gref):
    front.tx.publish(front.tx.req_prod + 257)


def index_back(front, gref):
    front.tx.publish(front.tx.req_prod - 1)


def index_far(front, gref):
    front.tx.publish(front.tx.req_prod + (1 << 31))


def page_crossing(front, gref):
    front.send_slots([(gref, 4000, 97, 0)])


def page_crossing_later(front, gref):
    front.send_slots([(gref, 0, 200, MORE_DATA), (gref, 4090, 10, 0)])


def unfinished(front, gref):
    front.send_slots([(gref, 0, 200, MORE_DATA)])


def endless_extras(front, gref):
    front.send_slots([(gref, 0, 200, EXTRA_INFO)] + [bytes((1, 1, 0, 0, 0, 0, 0, 0))] * 20)


def bad_extra(front, gref):
    front.send_slots([(gref, 0, 200, EXTRA_INFO), bytes((9, 0, 0, 0, 0, 0, 0, 0))])


def too_many_slots(front, gref):
    front.send_slots([(gref, 0, 1000, MORE_DATA)] + [(gref, 0, 1, MORE_DATA)] * 25)


def receive_jump(front, gref):
    front.rx.publish(front.rx.req_prod + 257)


LIES = {
    "the producer index jumps ahead": (index_jump, "request"),
    "the producer index goes back": (index_back, "request"),
    "the producer index jumps half round": (index_far, "request"),
    "a slot crosses its page": (page_crossing, "page"),
    "a further slot crosses its page": (page_crossing_later, "page"),
    "a packet without an end": (unfinished, "packet"),
    "extra info without an end": (endless_extras, "packet"),
    "extra info of no known type": (bad_extra, "extra"),
    "26 slots": (too_many_slots, "slots"),
    "the receive ring's index jumps": (receive_jump, "request"),
}


def test(report):
    if DRIVER == "xen-netback":
        raise Skip("the C driver says it in the log, and serves nobody on that vif afterwards")
    vif = Vif(report)
    vif.attach(netfront=False)
    for name, (lie, word) in LIES.items():
        front = RingFrontend(vif)
        _, gref = front.grants.page()
        front.connect_and_wait()
        vif.need_open(f"{name}: carrier before")
        lie(front, gref)
        front.notify()
        if lie is receive_jump:
            # The index is only looked at when there is something to send.
            with vif.back.socket() as sender:
                sender.send(b"\xff" * 12 + b"\x88\xb5" + bytes(46))
        vif.need_back(CLOSING, f"{name}: the backend closes")
        report.check(f"{name}: no carrier", wait_for(10, lambda: not vif.back.running()))
        error = vif.error() or ""
        report.check(f"{name}: the error node says why", "cut off" in error and word in error, error)
        vif.front_write("state", CLOSED)
        vif.need_back(CLOSED, f"{name}: and is closed")
        vif.front_write("state", INITIALISING)
        vif.need_back(INIT_WAIT, f"{name}: and waits for the next")

    front = RingFrontend(vif)
    memory, gref = front.grants.page()
    front.connect_and_wait()
    memory[:60] = b"\xff" * 12 + b"\x88\xb5" + bytes(46)
    vif.back.up()
    wait_for(10, vif.back.running)
    ids = front.send_slots([(gref, 0, 60, 0)])
    report.equal("the next frontend is served", front.statuses(1), [(ids[0], 0)])
    # What it never posted is not answered.
    report.equal("one answer", struct.unpack_from("<I", front.tx.memory, 8)[0], 1)


if __name__ == "__main__":
    Report().run(test)
