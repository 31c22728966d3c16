#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Multicast control: the guest lists the groups it listens to by extra info on its
transmit ring; the list counts while request-multicast-control is 1."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402
from ring_frontend import ERROR, EXTRA_INFO, MORE_DATA, NULL, OKAY, RingFrontend  # noqa: E402
from vif import INIT_WAIT, Vif, load_driver  # noqa: E402

ADD, DEL = 2, 3
ALL = b"\xff" * 6
OWN = b"\x00\x16\x3e\x00\x00\x0a"


def group(number):
    return b"\x01\x00\x5e\x00\x00" + bytes([number])


def frame(destination, payload=bytes(46)):
    return destination + b"\xfe" + b"\xff" * 5 + ETHERTYPE.to_bytes(2, "big") + payload


class Listener:
    def __init__(self, vif, **keys):
        self.vif, self.report = vif, vif.report
        self.front = RingFrontend(vif)
        self.memory, self.gref = self.front.grants.page()
        self.pages = [self.front.grants.page() for _ in range(200)]
        self.front.post_buffers([(ident, gref) for ident, (_, gref) in enumerate(self.pages)])
        self.next = 0
        self.front.connect_and_wait(feature_multicast_control=None, **keys)
        vif.need_open()
        self.sender = vif.back.socket()

    def request(self, kind, address, flags=EXTRA_INFO, more=()):
        """Ask for a change; the status of the answer."""
        extra = bytes([kind, 0]) + address
        ids = self.front.send_slots([(self.gref, 0, 0, flags), extra, *more])
        answers = self.front.statuses(2 + len(more))
        if len(answers) != len(ids) or answers[0][0] != ids[0] or answers[1] != (0, NULL):
            return answers
        return answers[0][1]

    def arrived(self):
        """The destinations of what has come to the guest so far."""
        came = []
        for ident, _, _, _ in self.front.received(200, 0):
            came.append(bytes(self.pages[ident][0][:6]))
        return came

    def passing(self, *destinations):
        """Which of them get through: a broadcast comes behind them, and always does."""
        for destination in (*destinations, ALL):
            self.sender.send(frame(destination))
        came = []
        wait_for(10, lambda: (came.extend(self.arrived()), ALL in came)[1])
        return [destination for destination in came if destination != ALL]

    def filtering(self, wanted):
        """The watch has been seen: group 99, which nobody lists, passes or does not."""
        return wait_for(10, lambda: bool(self.passing(group(99))) != wanted)

    def end(self):
        self.sender.close()
        self.front.leave()


def listing(vif):
    report = vif.report
    guest = Listener(vif)
    report.equal("all pass at first", guest.passing(group(1), OWN), [group(1), OWN])
    report.equal("a group is added, although nobody filters", guest.request(ADD, group(1)), OKAY)
    report.equal("and all still pass", guest.passing(group(1), group(2)), [group(1), group(2)])

    vif.front_write("request-multicast-control", 1)
    report.need("the filter is applied", guest.filtering(True))
    report.equal("what is listed passes, and unicast",
                 guest.passing(group(1), group(2), OWN), [group(1), OWN])
    report.equal("another is added", guest.request(ADD, group(2)), OKAY)
    report.equal("and passes", guest.passing(group(1), group(2), group(3)), [group(1), group(2)])
    report.equal("twice", guest.request(ADD, group(2)), OKAY)
    report.equal("one is removed", guest.request(DEL, group(2)), OKAY)
    report.equal("and does not pass", guest.passing(group(1), group(2)), [group(1)])
    report.equal("what is not there is removed", guest.request(DEL, group(77)), OKAY)

    # 64 of them; one is there.
    statuses = [guest.request(ADD, group(number)) for number in range(2, 65)]
    report.equal("64 groups", set(statuses), {OKAY})
    report.equal("the 65th is refused", guest.request(ADD, group(65)), ERROR)
    report.equal("and the others pass", guest.passing(group(1), group(64), group(65)),
                 [group(1), group(64)])
    report.equal("what is no group is refused", guest.request(ADD, OWN), ERROR)

    vif.front_write("request-multicast-control", 0)
    report.need("the filter is off again", guest.filtering(False))
    guest.end()


def mixed(vif):
    """Among packets, each request has its answer; with data after it, it is refused
    as a whole."""
    report = vif.report
    guest = Listener(vif)
    guest.memory[:60] = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(46)
    slots, want = [], []
    for number in range(20):
        slots += [(guest.gref, 0, 60, 0), (guest.gref, 0, 0, EXTRA_INFO),
                  bytes([ADD, 0]) + group(number)]
        want += [OKAY, OKAY, NULL]
    with vif.back.socket() as sock:
        sock.settimeout(10)
        ids = guest.front.send_slots(slots)
        answers = guest.front.statuses(len(slots))
        report.c_fails("answers them before the packets that came first")
        report.equal("ids and statuses among packets", answers,
                     [(ident or 0, status) for ident, status in zip(ids, want)])
        report.equal("the packets came", [len(sock.recv(2048)) for _ in range(20)], [60] * 20)
        if DRIVER == "xen-netback":
            return guest.end()  # takes what follows for another packet
        ids = guest.front.send_slots([(guest.gref, 0, 200, EXTRA_INFO | MORE_DATA),
                                      bytes([ADD, 0]) + group(50), (guest.gref, 0, 60, 0)])
        report.equal("with data after it: refused", guest.front.statuses(3),
                     [(ids[0], ERROR), (0, NULL), (ids[2], ERROR)])
        ids = guest.front.send_slots([(guest.gref, 0, 60, 0)])
        report.equal("the next packet is good", guest.front.statuses(1), [(ids[0], OKAY)])
        report.equal("and the only one that came", len(sock.recv(2048)), 60)
        sock.settimeout(0.2)
        try:
            report.check("nothing else came", False, sock.recv(2048).hex())
        except TimeoutError:
            report.check("nothing else came", True)
    return guest.end()


def batch(vif):
    """What the stack sends as one batch goes, also if the last packet of it is filtered."""
    guest, report = Listener(vif, request_multicast_control=1), vif.report
    report.need("filtered", guest.filtering(True))
    count = 40
    for round_number in range(5):
        # Uses up the buffers, so that the packets wait, some of them in the stack's queue.
        ring = guest.front.rx
        for _ in range((ring.req_prod - ring.rsp_prod) & 0xffffffff):
            guest.sender.send(frame(OWN))
        report.need("no buffers are left", wait_for(10, lambda r=ring: r.rsp_prod == r.req_prod))
        guest.arrived()
        sent = [bytes([number]) * 4 for number in range(count)]
        for number in sent:
            guest.sender.send(frame(OWN, number + bytes(1400)))
        guest.sender.send(frame(group(99)))
        guest.front.post_buffers([(ident, gref) for ident, (_, gref) in enumerate(guest.pages)])
        came = []
        wait_for(5, lambda c=came: (c.extend(bytes(guest.pages[ident][0][14:18]) for ident, *_ in
                                             guest.front.received(200, 0)), len(c) >= count)[1])
        report.equal(f"round {round_number}: all come", came, sent)
    guest.end()


def flood(vif):
    """However often the frontend writes its wish, the last one holds in the end."""
    guest = Listener(vif)
    # Each is also one for xenbus, which sees the frontend's nodes come and go here and takes
    # some milliseconds for it.
    for number in range(300):
        vif.front_write("request-multicast-control", (number + 1) % 2)
    vif.report.check("300 changes, the last to 0: not filtered", guest.filtering(False))
    vif.front_write("request-multicast-control", 1)
    vif.report.check("and once more: filtered", guest.filtering(True))
    vif.front_write("request-multicast-control", 0)
    guest.end()


def forgotten(vif):
    report = vif.report
    guest = Listener(vif, request_multicast_control=1)
    report.need("asked for at connect", guest.filtering(True))
    report.equal("what others listed is forgotten", guest.passing(group(1), group(5)), [])
    report.equal("a group", guest.request(ADD, group(5)), OKAY)
    report.equal("passes", guest.passing(group(1), group(5)), [group(5)])
    guest.end()
    guest = Listener(vif)
    report.equal("a frontend that does not ask gets all", guest.passing(group(1)), [group(1)])
    guest.end()


def queues(vif):
    """Requests on several rings at the same time, each of them ordered in itself."""
    report = vif.report
    front = RingFrontend(vif, queues=2)
    memory = {}
    for number, queue in enumerate(front.queues):
        pages = {ident: front.grants.page() for ident in range(60)}
        queue.post_buffers([(ident, gref) for ident, (_, gref) in pages.items()])
        memory[number] = pages
    front.connect_and_wait(request_multicast_control=1)
    vif.need_open("two queues: carrier")
    _, gref = front.grants.page()
    for _ in range(20):
        for number, queue in enumerate(front.queues):
            # Each group is added and removed and, every other one, added again.
            groups = range(number * 30, number * 30 + 20)
            queue.send_slots([
                slot for kind, some in ((DEL, groups[::2]), (ADD, groups), (DEL, groups), (ADD, groups[::2]))
                for one in some
                for slot in ((gref, 0, 0, EXTRA_INFO), bytes([kind, 0]) + group(one))])
        for number, queue in enumerate(front.queues):
            statuses = [status for _, status in queue.statuses(120)]
            report.need(f"two queues: queue {number} is answered", statuses == [OKAY, NULL] * 60, statuses)
    wanted = {group(number) for start in (0, 30) for number in range(start, start + 20, 2)}
    with vif.back.socket() as sock:
        for number in range(60):
            sock.send(frame(group(number)))
    came = []

    def all_came():
        for number, queue in enumerate(front.queues):
            came.extend(bytes(memory[number][ident][0][:6]) for ident, *_ in queue.received(60, 0))
        return len(came) >= len(wanted)
    wait_for(10, all_came)
    report.equal("two queues: what is listed in the end passes", sorted(came), sorted(wanted))
    front.leave()


def test(report):
    report.at_exit(load_driver)
    load_driver("max_queues=2")
    vif = Vif(report)
    vif.attach(netfront=False)
    wait_for(10, lambda: vif.back_state() == INIT_WAIT)
    report.equal("offered", [vif.back_read(f"feature-{name}multicast-control")
                             for name in ("", "dynamic-")], ["1", "1"])
    parts = (listing, mixed, queues, batch, flood, forgotten)
    if DRIVER == "xen-netback":
        parts = (mixed,)  # filters what is forwarded, not what this domain sends itself
    for part in parts:
        part(vif)


if __name__ == "__main__":
    Report().run(test)
