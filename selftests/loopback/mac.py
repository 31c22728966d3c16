#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The toolstack's "mac" of a card is its guest's: one that is missing is no reason
not to serve it, one that is none is refused, and its frames go through with any."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import Report, wait_for  # noqa: E402
from ring_frontend import OKAY, RingFrontend  # noqa: E402
from vif import CLOSING, CONNECTED, INIT_WAIT, Vif  # noqa: E402


def test(report):
    for number, (value, good) in enumerate((
            (None, True), ("00:16:3e:00:00:01", True), ("00:16:3E:0a:0B:0c", True),
            ("", False), ("00:16:3e:00:00", False), ("hello", False))):
        name = f"mac = {value!r}" if value is not None else "no mac"
        vif = Vif(report, handle=10 + number)
        vif.store.remove(vif.error_path)
        vif.attach(back={"mac": value}, netfront=False)
        if not good:
            report.c_fails("looks at it when the frontend connects")
            report.check(f"{name}: refused", wait_for(10, vif.error))
            report.c_fails("looks at it when the frontend connects")
            report.check(f"{name}: no interface", not os.path.exists(f"/sys/class/net/{vif.back.name}"))
            vif.remove_nodes()
            report.check(f"{name}: the card goes", vif.gone())
            continue
        vif.need_back(INIT_WAIT, f"{name}: offered")
        front = RingFrontend(vif)
        front.connect()
        if value is None:
            report.c_fails("needs it")
        if not report.check(f"{name}: connects", wait_for(10, lambda v=vif: v.back_state() in (
                CONNECTED, CLOSING)) and vif.back_state() == CONNECTED, vif.error()):
            continue
        vif.need_open(f"{name}: carrier")
        memory, gref = front.grants.page()
        frame = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x77" + ETHERTYPE.to_bytes(2, "big") + bytes(46)
        memory[:60] = frame
        with vif.back.socket() as sock:
            sock.settimeout(10)
            [ident] = front.send_slots([(gref, 0, 60, 0)])
            report.equal(f"{name}: a frame from another address is answered", front.statuses(1), [(ident, OKAY)])
            report.equal(f"{name}: and comes", sock.recv(2048), frame)


if __name__ == "__main__":
    Report().run(test)
