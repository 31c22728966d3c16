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
from ring_frontend import MORE_DATA, PAGE, RingFrontend  # noqa: E402
from vif import Vif  # noqa: E402

HEADER = b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + ETHERTYPE.to_bytes(2, "big")


def frame(length):
    return (HEADER + bytes(range(256)) * (length // 256 + 1))[:length]


class Buffers:
    def __init__(self, report, **keys):
        self.report = report
        self.vif = Vif(report)
        self.vif.attach(netfront=False)
        self.front = RingFrontend(self.vif)
        self.pages = {}
        self.next_id = 1000
        # The C driver has a carrier only once there are buffers for a packet.
        self.post(20)
        self.front.connect(**keys)
        self.vif.back.quiet()
        self.vif.back.mtu = 65517
        self.vif.back.up()
        report.need("carrier", wait_for(10, self.vif.back.running))
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


def test(report):
    b = Buffers(report)
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


if __name__ == "__main__":
    Report().run(test)
