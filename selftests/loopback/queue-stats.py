#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Statistics of each queue, and what serves it, as netlink has them: equal to what
was sent, their sum equal to the interface's own, over frontends with more and with
fewer queues; the interrupts are those of the queues' event channels."""
import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from netlink import RX, TX, NetdevFamily  # noqa: E402
from report import Report, wait_for  # noqa: E402
from ring_frontend import ERROR, OKAY, RingFrontend  # noqa: E402
from vif import (CONNECTED, INIT_WAIT, RECONFIGURED, RECONFIGURING, Vif, load_driver,  # noqa: E402
                 read_file, write_file)

MAX = 3
NO_GRANT = 0x7fffffff
PENDING_MAX = 256
HEADER = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big")
NOTHING = {RX: {"rx-packets": 0, "rx-bytes": 0, "rx-alloc-fail": 0, "rx-hw-drops": 0},
           TX: {"tx-packets": 0, "tx-bytes": 0, "tx-hw-drops": 0, "tx-stop": 0, "tx-wake": 0}}


def udp(port, length):
    """A frame of one of many flows: the stack spreads them over the queues."""
    ip = b"\x45\0" + (length - 14).to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0" + \
        bytes([10, 8, 0, 1]) + bytes([10, 8, 0, 2])
    head = b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + b"\x08\0" + ip + \
        port.to_bytes(2, "big") + b"\0\x35" + (length - 34).to_bytes(2, "big") + b"\0\0"
    return head + bytes(length - len(head))


class Guest:
    """A frontend with so many queues, connected, and what the statistics have to be."""

    def __init__(self, vif, family, queues):
        self.vif, self.report, self.family = vif, vif.report, family
        self.front = RingFrontend(vif, queues=queues)
        self.memory, self.gref = self.front.grants.page()
        self.front.connect_and_wait()
        vif.need_open()

    def send(self, queue, sizes):
        """Frames from the guest on one queue; the last ones have no page, and are short."""
        self.memory[:len(HEADER)] = HEADER
        ring = self.front.queues[queue]
        slots = [(self.gref, 0, size, 0) for size in sizes]
        slots += [(NO_GRANT, 0, 60, 0), (self.gref, 0, 13, 0)]
        ring.send_slots(slots)
        self.report.equal(f"queue {queue}: {len(sizes)} frames and two bad ones are answered",
                          [status for _, status in ring.statuses(len(slots))],
                          [OKAY] * len(sizes) + [ERROR, ERROR])

    def receive(self, frames):
        """Send these to the guest, where the first buffer of each queue is none;
        [(frames, their bytes, those lost)] of each queue."""
        for queue in self.front.queues:
            queue.post_buffers([(ident, self.gref if ident else NO_GRANT)
                                for ident in range(len(frames))])
        with self.vif.back.socket(0x0800) as sock:
            for frame in frames:
                sock.send(frame)
        rings = [queue.rx for queue in self.front.queues]

        def came():
            return [(ring.rsp_prod - ring.rsp_cons) & 0xffffffff for ring in rings]
        self.report.need("all frames come", wait_for(10, lambda: sum(came()) == len(frames)), came())
        lengths = [[length for *_, length in queue.received(count)]
                   for queue, count in zip(self.front.queues, came())]
        return [(sum(length > 0 for length in queue), sum(length for length in queue if length > 0),
                 sum(length < 0 for length in queue)) for queue in lengths]

    def end(self):
        self.front.leave()


def sums(report, name, vif, family, want):
    """The interface's statistics: those of all queues that there ever were."""
    def total(kind):
        return {key: sum(statistics[key] for (which, _), statistics in want.items() if which == kind)
                for key in NOTHING[kind]}
    rx, tx = total(RX), total(TX)
    report.equal(f"{name}: the interface has the sum", family.statistics(), rx | tx)
    rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped = \
        vif.back.counters()
    report.equal(f"{name}: as in ip -s link",
                 {"rx-packets": rx_packets, "rx-bytes": rx_bytes, "rx-alloc-fail": rx_dropped,
                  "rx-hw-drops": rx_errors + rx_dropped, "tx-packets": tx_packets,
                  "tx-bytes": tx_bytes, "tx-hw-drops": tx_errors + tx_dropped,
                  "tx-stop": tx["tx-stop"], "tx-wake": tx["tx-wake"]}, rx | tx)


def count(report, vif, family, want, queues):
    """Traffic both ways on each of so many queues; "want" is brought up to date."""
    guest = Guest(vif, family, queues)
    # The stack counts as dropped what nobody wants.
    wanted = vif.back.socket()
    for queue in range(queues):
        sizes = [60 + 7 * queue + number * 61 % 1455 for number in range(20 + queue)]
        guest.send(queue, sizes)
        rx = want[RX, queue]
        rx["rx-packets"] += len(sizes)
        rx["rx-bytes"] += sum(sizes)
        rx["rx-hw-drops"] += 2
    frames = [udp(1000 + number, 60 + number * 61 % 1455) for number in range(60)]
    for queue, (packets, octets, lost) in enumerate(guest.receive(frames)):
        report.check(f"{queues} queues: some come on queue {queue}, and one is lost",
                     packets > 0 and lost == 1, (packets, lost))
        want[TX, queue]["tx-packets"] += packets
        want[TX, queue]["tx-bytes"] += octets
        want[TX, queue]["tx-hw-drops"] += lost

    live = {key: statistics for key, statistics in want.items() if key[1] < queues}
    name = f"{queues} queues"
    wait_for(5, lambda: family.queue_statistics() == live)
    report.equal(f"{name}: statistics", family.queue_statistics(), live)
    sums(report, name, vif, family, want)
    wanted.close()
    return guest


def served(report, vif, family, queues, names):
    """Each queue has a NAPI instance of its own, whose interrupt has this name."""
    lines = [line.split() for line in read_file("/proc/interrupts").splitlines()]
    by_number = {line[0]: line[-1] for line in lines if len(line) > 2}
    found, napis = family.queues(), family.napis()
    report.equal(f"{queues} queues: in queue-get", set(found),
                 {(kind, queue) for kind in (RX, TX) for queue in range(queues)})
    report.equal(f"{queues} queues: each has a NAPI instance of its own",
                 len(set(found.values()) - {None}), 2 * queues)
    report.equal(f"{queues} queues: its interrupt",
                 {key: by_number.get(f"{napis.get(napi)}:") for key, napi in found.items()},
                 {(kind, queue): f"{vif.back.name}-q{queue}{names[kind]}"
                  for kind in (RX, TX) for queue in range(queues)})
    others = {napi: irq for napi, irq in napis.items() if napi not in found.values()}
    report.check(f"{queues} queues: no interrupt serves other instances",
                 set(others.values()) <= {None}, others)


def stop_and_wake(report, vif, family, want):
    """A guest that posts no buffers: the driver stops the queue, and lets it go on."""
    guest = Guest(vif, family, 1)
    queue = guest.front
    write_file(f"/sys/class/net/{vif.back.name}/queues/tx-0/byte_queue_limits/limit_min", str(1 << 24))
    # The limit holds from the next completion on.
    queue.post_buffers([(0, guest.gref)])
    frame = HEADER + bytes(46)
    total = PENDING_MAX + 40
    with vif.back.socket() as sock:
        sock.send(frame)
        report.need("a first frame comes", len(queue.received(1)) == 1)
        report.equal("nothing is stopped yet", family.queue_statistics()[TX, 0]["tx-stop"],
                     want[TX, 0]["tx-stop"])
        for _ in range(total):
            sock.send(frame)
    tx = want[TX, 0]
    tx["tx-packets"] += 1
    tx["tx-bytes"] += len(frame)
    tx["tx-stop"] += 1
    wait_for(5, lambda: family.queue_statistics()[TX, 0] == tx)
    report.equal("the queue was stopped", family.queue_statistics()[TX, 0], tx)
    received = 0
    for _ in range(2):
        queue.post_buffers([(ident, guest.gref) for ident in range(total // 2)])
        received += len(queue.received(total // 2))
    report.equal("with buffers, all come", received, total)
    tx["tx-packets"] += total
    tx["tx-bytes"] += total * len(frame)
    tx["tx-wake"] += 1
    wait_for(5, lambda: family.queue_statistics()[TX, 0] == tx)
    report.equal("and the queue was let go on", family.queue_statistics()[TX, 0], tx)
    sums(report, "after that", vif, family, want)
    guest.end()


def with_netfront(report):
    """A frontend with an event channel for each direction."""
    load_driver()
    vif = Vif(report, handle=11)
    vif.ready()
    family = NetdevFamily(vif.back.name)
    served(report, vif, family, min(8, os.cpu_count()), {RX: "-tx", TX: "-rx"})
    family.close()
    problem = vif.detach()
    report.check("detach", not problem, problem)


def test(report):
    report.at_exit(load_driver)
    load_driver(f"max_queues={MAX}")
    vif = Vif(report)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    family = NetdevFamily(vif.back.name)
    try:
        found, why = family.statistics(), ""
    except OSError as error:
        found, why = None, errno.errorcode[error.errno]
    report.c_fails("has no statistics of queues")
    report.need("a new interface has them", found is not None, why)
    want = {(kind, queue): dict(NOTHING[kind]) for kind in (RX, TX) for queue in range(MAX)}
    sums(report, "new", vif, family, want)

    for queues in (3, 1, 2):
        guest = count(report, vif, family, want, queues)
        served(report, vif, family, queues, {RX: "", TX: ""})
        vif.front_write("xdp-headroom", 16 * queues)
        vif.front_write("state", RECONFIGURING)
        vif.need_back(RECONFIGURED)
        vif.front_write("state", CONNECTED)
        served(report, vif, family, queues, {RX: "", TX: ""})
        guest.end()
        vif.store.remove(f"{vif.front_path}/xdp-headroom")
        report.check(f"{queues} queues, closed: no interrupts", set(family.napis().values()) == {None},
                     family.napis())
    stop_and_wake(report, vif, family, want)
    family.close()
    problem = vif.detach()
    report.need("detach", not problem, problem)
    with_netfront(report)


if __name__ == "__main__":
    Report().run(test)
