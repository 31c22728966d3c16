#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Room for XDP programs before each packet, as the frontend asks for when it
connects and whenever it reconfigures: in every slot of data, told by an extra
info, and counted in how many buffers a packet needs."""
import os
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402
from ring_frontend import EXTRA_INFO, MORE_DATA, PAGE, RingFrontend  # noqa: E402
from vif import CLOSING, CONNECTED, INIT_WAIT, RECONFIGURED, RECONFIGURING, Vif  # noqa: E402

EXTRA_XDP = 5
BUFFERS = 60
HEADER = b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + ETHERTYPE.to_bytes(2, "big")


def frame(length):
    return (HEADER + bytes(range(256)) * (length // 256 + 1))[:length]


class Receiver:
    def __init__(self, vif, **keys):
        self.vif, self.report = vif, vif.report
        self.front = RingFrontend(vif)
        self.memory = {}
        self.posted = []
        self.post(BUFFERS)
        self.front.connect_and_wait(**keys)
        vif.back.mtu = 9000
        vif.need_open()
        self.sender = vif.back.socket()

    def post(self, count):
        for _ in range(count):
            memory, gref = self.front.grants.page()
            memory[:PAGE] = b"\xee" * PAGE
            ident = len(self.memory)
            self.memory[ident] = memory
            self.posted.append(ident)
            self.front.post_buffers([(ident, gref)])

    def expect(self, name, length, headroom):
        """A packet of LENGTH bytes comes behind HEADROOM bytes in each slot."""
        data = frame(length)
        self.sender.send(data)
        room = PAGE - headroom
        parts = [data[at:at + room] for at in range(0, length, room)]
        count = len(parts) + (headroom > 0)
        responses = self.front.rx.responses(count)
        ids, self.posted = self.posted[:count], self.posted[count:]
        if not self.report.equal(f"{name}: buffers used", len(responses), count):
            return
        if headroom:
            extra = responses.pop(1)
            ids.pop(1)
            self.report.equal(f"{name}: the extra info",
                              struct.unpack("<BBH", extra[:4]), (EXTRA_XDP, 0, headroom))
        want = [(ident, headroom, (MORE_DATA if number + 1 < len(parts) else 0) |
                 (EXTRA_INFO if headroom and not number else 0), len(part))
                for number, (ident, part) in enumerate(zip(ids, parts))]
        if headroom:
            self.report.c_fails("says that the headroom is part of the packet")
        self.report.equal(f"{name}: responses",
                          [struct.unpack("<HHHh", response) for response in responses], want)
        found = b"".join(bytes(self.memory[ident][headroom:headroom + len(part)])
                         for ident, part in zip(ids, parts))
        self.report.check(f"{name}: bytes", found == data)
        self.report.check(f"{name}: the room is left alone", all(
            bytes(self.memory[ident][:headroom]) == b"\xee" * headroom for ident in ids))
        self.post(count)

    def reconfigure(self, headroom):
        self.vif.front_write("xdp-headroom", headroom)
        self.front.written.append("xdp-headroom")
        self.vif.front_write("state", RECONFIGURING)
        answered = self.vif.wait_back(RECONFIGURED)
        # A script that says again that it is done: no news for who waits for Reconfigured.
        self.vif.back_write("hotplug-status", "connected")
        answered = answered and not wait_for(0.3, lambda: self.vif.back_state() != RECONFIGURED)
        self.vif.front_write("state", CONNECTED)
        return answered

    def end(self):
        self.sender.close()
        self.front.leave()


def under_traffic(vif):
    """Changed while packets come: each says where its bytes are, and they are there."""
    receiver, report = Receiver(vif), vif.report
    packets, data = 20, frame(3000)
    wrong, seen = [], set()
    for headroom in (256, 0, 64, 1096) * 5:
        sending = threading.Thread(target=lambda: [receiver.sender.send(data) for _ in range(packets)])
        sending.start()
        report.need("Reconfigured while packets come", receiver.reconfigure(headroom))
        sending.join()
        if DRIVER != "xen-netback":
            report.need("and Connected again", vif.wait_back(CONNECTED))
        for _ in range(packets):
            [first] = receiver.front.rx.responses(1) or [None]
            report.need("each packet comes", first is not None)
            ident, offset, flags, length = struct.unpack("<HHHh", first)
            told = 0
            if flags & EXTRA_INFO:
                [extra] = receiver.front.rx.responses(1)
                kind, more, told = struct.unpack("<BBH", extra[:4])
                wrong += [extra] if (kind, more) != (EXTRA_XDP, 0) else []
            seen.add(told)
            got = bytes(receiver.memory[ident][told:told + length])
            if offset != told or flags & MORE_DATA or got != data:
                wrong.append((told, offset, flags, length, got == data))
        used = packets * 2
        receiver.posted = receiver.posted[used:]
        receiver.post(used)
    report.equal("all headrooms were seen", seen, {0, 64, 256, 1096})
    report.c_fails("says that the headroom is part of the packet")
    report.equal("bytes are where each packet says", wrong, [])
    receiver.end()


def test(report):
    vif = Vif(report)
    vif.attach(netfront=False)
    wait_for(10, lambda: vif.back_state() == INIT_WAIT)
    report.equal("offered", vif.back_read("feature-xdp-headroom"), "1")

    receiver = Receiver(vif)
    receiver.expect("nothing asked for", 5000, 0)
    for number, headroom in enumerate((256, 0, 256, 64)):
        report.check(f"toggle {number}: Reconfigured", receiver.reconfigure(headroom))
        report.c_fails("stays at Reconfigured, so that the next toggle is not waited for")
        report.check(f"toggle {number}: and Connected again", vif.wait_back(CONNECTED, 3))
        # The C driver does not count the headroom when it counts buffers.
        longer = (PAGE - headroom, PAGE - headroom + 1, PAGE, 9014)
        for length in (60, 1514, *(longer if DRIVER != "xen-netback" else ())):
            receiver.expect(f"{headroom} bytes, packet of {length}", length, headroom)
    receiver.end()

    under_traffic(vif)
    receiver = Receiver(vif, xdp_headroom=256)
    receiver.expect("asked for at connect", 1000, 256)
    receiver.end()

    receiver = Receiver(vif)
    receiver.expect("the next frontend asks for nothing", 5000, 0)
    if DRIVER == "xen-netback":
        return  # takes up to 32767, with which every copy fails
    vif.front_write("xdp-headroom", 2049)
    vif.front_write("state", RECONFIGURING)
    vif.need_back(CLOSING, "more than fits is refused")
    report.check("the error node says why", "xdp-headroom = 2049" in (vif.error() or ""), vif.error())
    receiver.sender.close()
    receiver.front.withdraw()
    vif.store.remove(f"{vif.front_path}/xdp-headroom")
    receiver.front.start_again()
    vif.need_back(INIT_WAIT)
    for value in (2049, 65536, 65536 + 256, "-1"):
        front = RingFrontend(vif)
        front.connect(feature_sg=1, xdp_headroom=value)
        vif.need_back(CLOSING, f"xdp-headroom = {value} is refused")
        report.check("the error node says why", "xdp-headroom" in (vif.error() or ""), vif.error())
        front.withdraw()
        front.start_again()
        vif.need_back(INIT_WAIT)


if __name__ == "__main__":
    Report().run(test)
