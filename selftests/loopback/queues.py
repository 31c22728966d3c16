#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""As many queues as the frontend wants, of those that are offered: keys, real
queue counts, interrupts, traffic on each; another number at each connect; and what
makes no sense is refused."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402
from ring_frontend import OKAY, RingFrontend  # noqa: E402
from vif import CLOSED, CLOSING, INIT_WAIT, Vif, load_driver, read_file  # noqa: E402

MAX = 4
FLOWS = 64


def udp(port):
    """A UDP packet of the flow with this source port."""
    payload = struct.pack("!HHHH", port, 53, 8, 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0,
                     bytes([10, 8, 0, 1]), bytes([10, 8, 0, 2]))
    return b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + b"\x08\x00" + ip + payload


def real_queues(vif):
    names = os.listdir(f"/sys/class/net/{vif.back.name}/queues")
    return tuple(sum(name.startswith(kind) for name in names) for kind in ("rx-", "tx-"))


def interrupts(vif):
    prefix = f"{vif.back.name}-"
    return {word for line in read_file("/proc/interrupts").splitlines()
            for word in line.split() if word.startswith(prefix)}


def serve(report, vif, count):
    """Connect with COUNT queues, and send both ways on each."""
    front = RingFrontend(vif, queues=count)
    buffers = []
    for queue in front.queues:
        pages = dict(enumerate(front.grants.page() for _ in range(FLOWS)))
        queue.post_buffers([(ident, gref) for ident, (_, gref) in pages.items()])
        buffers.append({ident: memory for ident, (memory, _) in pages.items()})
    front.connect_and_wait()
    vif.need_open(f"{count} queues: carrier")
    report.equal(f"{count} queues: rx and tx queues in sysfs", real_queues(vif), (count, count))
    report.equal(f"{count} queues: interrupts", interrupts(vif),
                 {f"{vif.back.name}-q{number}" for number in range(count)})

    with vif.back.socket() as sock:
        sock.settimeout(10)
        memory, gref = front.grants.page()
        for number, queue in enumerate(front.queues):
            data = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes([number]) * 46
            memory[:60] = data
            [ident] = queue.send_slots([(gref, 0, 60, 0)])
            report.equal(f"{count} queues: answered on queue {number}",
                         queue.statuses(1), [(ident, OKAY)])
            report.equal(f"{count} queues: a packet from queue {number}", sock.recv(2048), data)

    with vif.back.socket(0x0800) as sock:
        for _ in range(2):
            for flow in range(FLOWS // 2):
                sock.send(udp(1000 + flow))
    report.check(f"{count} queues: all packets to the guest come", wait_for(10, lambda: sum(
        (queue.rx.rsp_prod - queue.rx.rsp_cons) & 0xffffffff for queue in front.queues) == FLOWS))
    where = {}
    for number, queue in enumerate(front.queues):
        came = (queue.rx.rsp_prod - queue.rx.rsp_cons) & 0xffffffff
        report.check(f"{count} queues: some come on queue {number}", came > 0)
        for ident, _, _, length in queue.received(came):
            where.setdefault(bytes(buffers[number][ident][:length]), set()).add(number)
    report.equal(f"{count} queues: each flow has its packets", set(where),
                 {udp(1000 + flow) for flow in range(FLOWS // 2)})
    report.check(f"{count} queues: each flow has one queue",
                 all(len(queues) == 1 for queues in where.values()))
    return front


def refused(report, vif, name, front, changes, word):
    front.connect(feature_sg=1, **changes)
    vif.need_back(CLOSING, f"{name} is refused")
    report.check(f"{name}: the error node says why", word in (vif.error() or ""), vif.error())
    front.withdraw()
    front.start_again()
    vif.need_back(INIT_WAIT)


def refusals(report, vif):
    if DRIVER == "xen-netback":
        return  # goes on to Connected after it refused (see bad-keys)
    two, one = RingFrontend(vif, queues=2), RingFrontend(vif)
    for value in (0, MAX + 1, 1 << 32, "1abc", ""):
        refused(report, vif, f"multi-queue-num-queues = '{value}'", one,
                {"multi-queue-num-queues": value}, "multi-queue-num-queues")
    refused(report, vif, "two queues with the keys of one", one,
            {"multi-queue-num-queues": 2}, "queue-0/tx-ring-ref")
    for key in ("tx-ring-ref", "rx-ring-ref", "event-channel"):
        refused(report, vif, f"no {key} in queue-1", two,
                {f"queue-1/{key}": None}, f"queue-1/{key}")


def cut_off(report, vif):
    """A lie on one queue ends them all."""
    if DRIVER == "xen-netback":
        return  # serves nobody on that vif afterwards
    front = RingFrontend(vif, queues=2)
    front.connect_and_wait()
    vif.back.up()
    report.need("carrier", wait_for(10, vif.back.running))
    front.queues[1].tx.publish(1000)
    front.queues[1].notify()
    vif.need_back(CLOSING, "a lie on queue 1: the backend closes")
    report.check("no carrier", wait_for(10, lambda: not vif.back.running()))
    vif.front_write("state", CLOSED)
    vif.need_back(CLOSED)
    front.start_again()
    vif.need_back(INIT_WAIT)


def with_netfront(report):
    """netfront takes one for each CPU, if the backend offers as many."""
    load_driver()
    cpus = os.cpu_count()
    vif = Vif(report, handle=11)
    vif.ready()
    report.equal("offered by default: one for each CPU, up to 8",
                 vif.back_read("multi-queue-max-queues"), str(min(8, cpus)))
    report.equal("the parameter says so", read_file(f"/sys/module/{DRIVER.replace('-', '_')}"
                                                    "/parameters/max_queues"), str(min(8, cpus)))
    report.equal("netfront takes as many", vif.front_read("multi-queue-num-queues") or "1",
                 str(min(8, cpus)))
    report.equal("and has them", real_queues(vif), (min(8, cpus),) * 2)
    problem = vif.detach()
    report.check("detach", not problem, problem)


def test(report):
    report.at_exit(load_driver)
    load_driver(f"max_queues={MAX}")
    vif = Vif(report)
    vif.attach(netfront=False)
    wait_for(10, lambda: vif.back_read("multi-queue-max-queues"))
    report.equal("offered", vif.back_read("multi-queue-max-queues"), str(MAX))
    for count in (2, 1, MAX, 3):
        front = serve(report, vif, count)
        front.leave()
    refusals(report, vif)
    cut_off(report, vif)
    front = serve(report, vif, MAX)
    front.withdraw()
    problem = vif.detach()
    report.need("detach", not problem, problem)
    with_netfront(report)


if __name__ == "__main__":
    Report().run(test)
