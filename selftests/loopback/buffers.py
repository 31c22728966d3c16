#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 90
"""What a frontend finds in the buffers that it posts: the packet's bytes, each
response in the slot of its request, flags as the protocol has them; and that a
packet waits for buffers and goes out when they come."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import Report, wait_for  # noqa: E402
from ring_frontend import MORE_DATA, OKAY, PAGE, RingFrontend  # noqa: E402
from vif import Vif  # noqa: E402

HEADER = b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + ETHERTYPE.to_bytes(2, "big")


def frame(length):
    return (HEADER + bytes(range(256)) * (length // 256 + 1))[:length]


class Buffers:
    def __init__(self, vif, start=0, **keys):
        self.report = vif.report
        self.vif = vif
        self.front = RingFrontend(vif, start)
        self.pages = {}
        self.next_id = 1000
        # The C driver has a carrier only once there are buffers for a packet.
        self.post(20)
        self.front.connect_and_wait(**keys)
        self.vif.need_open()
        self.sender = self.vif.back.socket()
        self.posted = [ident for ident, _ in self.pages.items()]

    def post(self, count):
        buffers = []
        for _ in range(count):
            memory, gref = self.front.grants.page()
            memory[:PAGE] = b"\xee" * PAGE
            self.pages[self.next_id] = memory
            buffers.append((self.next_id, gref))
            self.next_id += 7
        self.front.post_buffers(buffers)
        return [ident for ident, _ in buffers]

    def expect_quietly(self, data):
        """As expect(), for one buffer, with a result only if it is wrong."""
        [ident], self.posted = self.posted[:1], self.posted[1:]
        response = self.front.received(1)
        if response and response[0][0::3] == (ident, len(data)) and \
                bytes(self.pages[ident][:len(data)]) == data:
            return
        self.report.check(f"{len(data)} bytes in buffer {ident}", False, str(response))

    def expect(self, name, data):
        """DATA comes in the next buffers in order, and not a byte more."""
        count = -(-len(data) // PAGE)
        responses = self.front.received(count)
        ids, self.posted = self.posted[:count], self.posted[count:]
        parts = [data[start:start + PAGE] for start in range(0, len(data), PAGE)]
        self.report.equal(f"{name}: ids, offsets, lengths",
                          [(ident, offset, status) for ident, offset, _, status in responses],
                          [(ident, 0, len(part)) for ident, part in zip(ids, parts)])
        self.report.equal(f"{name}: more-data on all but the last",
                          [flags & MORE_DATA for _, _, flags, _ in responses],
                          [MORE_DATA] * (count - 1) + [0])
        pages = [bytes(self.pages[ident][:PAGE]) for ident in ids]
        self.report.check(f"{name}: bytes", b"".join(pages)[:len(data)] == data)
        self.report.check(f"{name}: nothing behind them",
                          b"".join(pages)[len(data):].strip(b"\xee") == b"")


def honest(vif):
    b = Buffers(vif)
    report = vif.report
    vif.back.mtu = 65517
    for length in (60, 1514, PAGE, PAGE + 1, 3 * PAGE, 9014):
        b.sender.send(frame(length))
        b.expect(f"{length} bytes", frame(length))
        b.posted += b.post(-(-length // PAGE))
    data = frame(65517 + 14)
    b.sender.send(data)
    b.expect("the longest packet", data)

    # 4 buffers are left: a packet of 5 waits, and one buffer more lets it go.
    long = frame(5 * PAGE)
    b.sender.send(long)
    before = b.vif.back.counters()
    b.posted += b.post(1)
    b.expect("a packet that waited for a buffer", long)
    report.check("counted", wait_for(5, lambda: b.vif.back.counters()[5] == before[5] + 1))

    b.sender.send(frame(100))
    report.equal("without buffers, no answer", b.front.received(1)[:1] if b.front.rx.rsp_prod !=
                 b.front.rx.rsp_cons else [], [])
    b.posted += b.post(1)
    b.expect("and with one, the packet", frame(100))
    report.equal("no error node", b.vif.error(), None)
    return b.front


def without_sg(vif):
    """One slot is all that a packet may take."""
    b = Buffers(vif, feature_sg=0)
    for length in (60, 1514):
        b.sender.send(frame(length))
        b.expect(f"without feature-sg, {length} bytes", frame(length))
    vif.report.equal("without feature-sg, the MTU is 1500", vif.back.mtu, 1500)
    vif.report.check("without feature-sg, scatter-gather is off",
                     "scatter-gather: off" in vif.back.ethtool("-k"))
    return b.front


def over_the_end(vif):
    """The indices pass 2^32 on both rings."""
    b = Buffers(vif, start=0xffffffc0)
    memory, gref = b.front.grants.page()
    memory[:60] = b"\xff" * 6 + HEADER[6:] + bytes(46)
    for number in range(150):
        b.sender.send(frame(60 + number))
        b.expect_quietly(frame(60 + number))
        b.posted += b.post(1)
        [ident] = b.front.send_slots([(gref, 0, 60, 0)])
        if b.front.statuses(1) != [(ident, OKAY)]:
            vif.report.check(f"packet {number} from here is answered", False)
            break
    vif.report.check("150 packets each way over the end of the indices",
                     b.front.rx.rsp_cons < 0x1000 and b.front.tx.rsp_cons < 0x1000)
    return b.front


def test(report):
    vif = Vif(report)
    vif.attach(netfront=False)
    for part in (honest, without_sg, over_the_end):
        front = part(vif)
        front.leave(f"{part.__name__}: ")


if __name__ == "__main__":
    Report().run(test)
