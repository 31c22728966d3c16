#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 180
"""A guest that owes buffers: packets for it wait for so long and no longer, its
carrier goes and comes back, and what waits is bounded."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402
from ring_frontend import RingFrontend  # noqa: E402
from vif import Vif, load_driver, read_file, write_file  # noqa: E402

DRAIN, STALL = 1.0, 2.5
HEADER = b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + ETHERTYPE.to_bytes(2, "big")
TX_DROPPED = 7


def frame(length):
    return HEADER + bytes(length - len(HEADER))


def byte_queue_limits(vif):
    return f"/sys/class/net/{vif.back.name}/queues/tx-0/byte_queue_limits"


def inflight(vif):
    """Bytes that wait for the guest."""
    return int(read_file(f"{byte_queue_limits(vif)}/inflight"))


class Stall:
    """A connected frontend that has had one packet, and has no buffer left."""

    def __init__(self, vif, name, **keys):
        self.vif, self.report, self.name = vif, vif.report, name
        self.front = RingFrontend(vif)
        self.post(1)
        self.front.connect_and_wait(**keys)
        vif.back.mtu = 9000
        vif.need_open(f"{name}: carrier")
        self.sender = vif.back.socket()
        self.send()
        self.report.equal(f"{name}: a packet", len(self.front.received(1)), 1)

    def post(self, count):
        self.front.post_buffers([(number, self.front.grants.page()[1])
                                 for number in range(count)])

    def send(self, length=60):
        try:
            self.sender.send(frame(length), 0x40)  # MSG_DONTWAIT
        except OSError:
            pass  # no carrier, or enough is queued

    def dropped(self):
        return self.vif.back.counters()[TX_DROPPED]

    def check_stall(self, length):
        """The carrier goes while packets of this length wait; returns when it did."""
        begun = time.monotonic()

        def no_carrier():
            self.send(length)
            return not self.vif.back.running()
        gone = wait_for(STALL + 8, no_carrier)
        took = time.monotonic() - begun
        self.report.check(f"{self.name}: the carrier goes after {STALL} s, not before",
                          gone and took >= STALL - 0.6, f"{gone} after {took:.1f} s")

    def check_recovery(self, buffers):
        self.post(buffers)
        self.report.need(f"{self.name}: with buffers the carrier is back",
                         wait_for(10, self.vif.back.running))
        # What still waits may take them first.
        self.report.check(f"{self.name}: and packets come again", wait_for(10, self.came))

    def came(self):
        self.send()
        self.post(1)
        return self.front.received(1, 0.2)

    def end(self):
        self.sender.close()
        self.front.leave(f"{self.name}: ")


def drained(vif):
    s = Stall(vif, "drain")
    before = s.dropped()
    for _ in range(3):
        s.send()
    begun = time.monotonic()
    vif.report.c_fails("counts them as received and dropped")
    vif.report.check("drain: three packets are dropped",
                     wait_for(DRAIN + 8, lambda: s.dropped() == before + 3),
                     f"{s.dropped() - before}")
    took = time.monotonic() - begun
    vif.report.check(f"drain: after {DRAIN} s, not before", took >= DRAIN - 0.2, f"{took:.2f} s")
    s.end()


def stalled(vif):
    s = Stall(vif, "no buffers")
    s.check_stall(60)
    s.check_recovery(40)
    s.end()


def too_few(vif):
    s = Stall(vif, "one buffer for packets of two")
    s.post(1)
    s.check_stall(5000)
    vif.report.check(f"{s.name}: when they have expired, one buffer is enough for a carrier",
                     wait_for(DRAIN + 8, vif.back.running))
    s.send()
    vif.report.equal(f"{s.name}: and a packet of one comes", len(s.front.received(1)), 1)
    s.check_stall(5000)
    s.check_recovery(60)
    s.end()


def without_notify(vif):
    s = Stall(vif, "without feature-rx-notify", feature_rx_notify=None)
    before, begun = s.dropped(), time.monotonic()
    s.send()
    vif.report.c_fails("counts it as received and dropped")
    vif.report.check(f"{s.name}: a packet is dropped within half a second",
                     wait_for(5, lambda: s.dropped() == before + 1) and
                     time.monotonic() - begun < 0.5 + DRAIN / 10)

    # For longer than a stall would take.
    end = time.monotonic() + STALL + 2
    lost = wait_for(STALL + 2, lambda: (s.send(), not vif.back.running())[1])
    vif.report.check(f"{s.name}: the carrier stays", not lost and time.monotonic() >= end)
    # Buffers are found without an event for them.
    s.front.rx.post(bytes(4) + s.front.grants.page()[1].to_bytes(4, "little"))
    s.front.rx.publish()
    vif.report.check(f"{s.name}: buffers are used although nobody said so",
                     wait_for(10, lambda: (s.send(), s.front.received(1, 0.2))[1]))
    s.end()

    # That was its own: the next frontend has it.
    s = Stall(vif, "with it again")
    s.send()
    if DRIVER != "xen-netback":  # has no byte queue limits to count what waits by
        vif.report.check(f"{s.name}: a packet waits",
                         not wait_for(DRAIN / 2, lambda: not inflight(vif)))
    else:
        wait_for(DRAIN / 2, lambda: False)
    s.post(1)
    vif.report.c_fails("keeps the short timeout")
    vif.report.equal(f"{s.name}: and comes", len(s.front.received(1, 3)), 1)
    s.end()


def bounded(vif):
    """The byte queue limits stop the queue earlier as a rule; without them, what
    waits is at most 256 packets, and about 1 MiB of memory."""
    if DRIVER == "xen-netback":
        return  # has no byte queue limits to count what waits by
    for length, most in ((60, 257), (9000, 1 + (1 << 20) // 9000)):
        s = Stall(vif, f"flood of {length} bytes")
        limits = byte_queue_limits(vif)
        write_file(f"{limits}/limit_min", str(1 << 28))
        for _ in range(2000):
            s.send(length)
        waiting = inflight(vif)
        vif.report.check(f"{s.name}: some wait, and not more than {most}",
                         0 < waiting <= most * length, f"{waiting} bytes")
        write_file(f"{limits}/limit_min", "0")
        s.end()


def test(report):
    report.at_exit(load_driver)
    load_driver(f"rx_drain_timeout_msecs={int(DRAIN * 1000)}",
                f"rx_stall_timeout_msecs={int(STALL * 1000)}")
    vif = Vif(report)
    vif.attach(netfront=False)
    for part in (drained, stalled, too_few, without_notify, bounded):
        part(vif)
    problem = vif.detach()
    report.need("detach", not problem, problem)


if __name__ == "__main__":
    Report().run(test)
