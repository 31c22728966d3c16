#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The driver's tracepoints: the life of a card, packets both ways, what is dropped
and why, a frontend that is cut off; each event with its fields."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report, Skip, wait_for  # noqa: E402
from ring_frontend import ERROR, OKAY, RingFrontend  # noqa: E402
from tracing import Tracing  # noqa: E402
from vif import CLOSED, CLOSING, INIT_WAIT, Vif  # noqa: E402

FRAME = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(46)
EVENT = re.compile(r": (vif_\w+): (.*)$", re.M)
FIELD = re.compile(r'(\w+)=("[^"]*"|\S+)')
PACKETS = 200


def events(text):
    """[(event, {field: value})] of the lines of a trace."""
    return [(name, {key: value.strip('"') for key, value in FIELD.findall(fields)})
            for name, fields in EVENT.findall(text)]


class Trace(Tracing):
    """All of the driver's events."""

    def __init__(self, report):
        super().__init__(report, "xen_netback_rs")
        self.seen = []

    def read(self):
        self.seen += events(self.take())
        return self.seen

    def has(self, event, **fields):
        """Is there such an event, with just these fields?"""
        wanted = (event, {key: str(value) for key, value in fields.items()})
        return wait_for(5, lambda: wanted in self.read())

    def names(self):
        return [name for name, _ in self.read()]

    def forget(self):
        self.read()
        self.seen = []


def test(report):
    if DRIVER == "xen-netback":
        raise Skip("only xen_netback_rs has such tracepoints")
    trace = Trace(report)

    def expect(what, event, **fields):
        report.check(what, trace.has(event, **fields), f"want {event} {fields}, have {trace.seen}")

    vif = Vif(report)
    node = f"backend/vif/{vif.domid}/{vif.handle}"
    name = vif.back.name
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    queues = vif.back_read("multi-queue-max-queues")
    expect("a card comes", "vif_create", node=node)
    expect("it has its interface", "vif_realize", node=node, name=name, max_queues=queues)

    front = RingFrontend(vif)
    memory, gref = front.grants.page()
    _, buffer = front.grants.page()
    memory[:len(FRAME)] = FRAME
    front.connect_and_wait(feature_gso_tcpv4=1)
    vif.need_open()
    expect("the frontend says Connected", "vif_frontend_state", node=node, state="Connected")
    expect("it is connected", "vif_connect", node=node, queues=1,
           features="sg|rx-notify|gso-tcpv4", headroom=0)

    [ident] = front.send_slots([(gref, 0, len(FRAME), 0)])
    report.equal("a packet is answered", front.statuses(1), [(ident, OKAY)])
    expect("a packet of the guest's", "vif_guest_tx", name=name, queue=0, len=len(FRAME), slots=1,
           checksum="none", gso="none", gso_size=0)
    [ident] = front.send_slots([(gref, 0, 13, 0)])
    report.equal("a short one is answered", front.statuses(1), [(ident, ERROR)])
    expect("a packet that is dropped", "vif_guest_tx_error", name=name, queue=0, reason="too_short")
    [ident] = front.send_slots([(1 << 20, 0, len(FRAME), 0)])
    report.equal("one with a bad grant is answered", front.statuses(1), [(ident, ERROR)])
    expect("a copy that fails", "vif_guest_tx_error", name=name, queue=0, reason="copy_failed")

    with vif.back.socket() as sock:
        front.post_buffers([(1, buffer), (2, 1 << 20)])
        sock.send(FRAME)
        report.equal("the guest gets a packet", len(front.received(1)), 1)
        expect("a packet to the guest", "vif_guest_rx", name=name, queue=0, len=len(FRAME), slots=1,
               checksum="none", gso="none", gso_size=0)
        sock.send(FRAME)
        report.equal("a bad buffer is answered", len(front.received(1)), 1)
        expect("a copy to the guest that fails", "vif_guest_rx_error", name=name, queue=0,
               reason="copy_failed")

    trace.forget()
    for _ in range(PACKETS // 50):
        front.send_slots([(gref, 0, len(FRAME), 0)] * 50)
        report.need("packets are answered", len(front.statuses(50)) == 50)
    report.equal("an event for each packet",
                 wait_for(5, lambda: trace.names().count("vif_guest_tx") == PACKETS) and PACKETS, PACKETS)

    front.tx.publish(front.tx.req_prod + 1000)
    front.notify()
    vif.need_back(CLOSING)
    report.check("the frontend is cut off", wait_for(5, lambda: "vif_fatal" in trace.names()), trace.seen)
    fault = dict(trace.seen)["vif_fatal"]
    report.check("for a reason", fault["node"] == node and "request index" in fault["fault"], fault)
    expect("and disconnected", "vif_disconnect", node=node)

    vif.front_write("state", CLOSED)
    vif.need_back(CLOSED)
    problem = vif.detach()
    report.need("detach", not problem, problem)
    expect("the interface goes", "vif_unrealize", node=node)
    expect("and the card", "vif_destroy", node=node)
    order = [event for event in trace.names() if event in (
        "vif_fatal", "vif_disconnect", "vif_unrealize", "vif_destroy")]
    report.equal("in this order", order,
                 ["vif_fatal", "vif_disconnect", "vif_unrealize", "vif_destroy"])

    trace.enable(False)
    trace.forget()
    vif = Vif(report, handle=11)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    report.equal("nothing is traced while it is off", trace.read(), [])
    problem = vif.detach()
    report.check("detach", not problem, problem)


if __name__ == "__main__":
    Report().run(test)
