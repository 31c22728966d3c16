#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The control ring: each request with what it may and what it may not ask for, and
the hash that it sets up: which queue a flow goes to, and the value it is told with."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from report import DRIVER, Report, wait_for  # noqa: E402
from ring_frontend import (CONTROL_RING_SIZE, EXTRA_INFO, Control,  # noqa: E402
                           RingFrontend)
from vif import CLOSED, CLOSING, INIT_WAIT, Vif, load_driver  # noqa: E402

GET_FLAGS, SET_FLAGS, SET_KEY, GET_MAPPING_SIZE, SET_MAPPING_SIZE, SET_MAPPING, \
    SET_ALGORITHM = range(1, 8)
SUCCESS, NOT_SUPPORTED, INVALID, OVERFLOW = ((status, 0) for status in range(4))
NONE, TOEPLITZ = 0, 1
IPV4, IPV4_TCP, IPV6, IPV6_TCP = 1, 2, 4, 8
EXTRA_HASH = 4
QUEUES = 3
NO_GRANT = 0x7fffffff

# The key and the vectors that Microsoft publishes for receive-side scaling.
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c"
                    "6a42b73bbeac01fa")
FLOWS = (("66.9.149.187", 2794, "161.142.100.80", 1766, 0x51ccc178, 0x323e8fc2),
         ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xc626b0ea, 0xd718262a),
         ("24.19.198.95", 12898, "12.22.207.184", 38024, 0x5c2b394a, 0xd2d0a5de),
         ("38.27.205.30", 48228, "209.142.163.6", 2217, 0xafc7327f, 0x82989176),
         ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x10e828a2, 0x5d1809c5))


def address(text):
    return bytes(int(part) for part in text.split("."))


def packet(source, from_port, destination, to_port, proto=6, fragment=0x4000):
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, fragment, 64, proto, 0) + \
        address(source) + address(destination)
    tcp = struct.pack("!HHIIBBHHH", from_port, to_port, 1, 0, 5 << 4, 0x10, 1000, 0, 0)
    return b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + b"\x08\x00" + ip + tcp


class Guest:
    """A frontend with three queues and a control ring, connected."""

    def __init__(self, vif, buffers=10):
        self.vif, self.report = vif, vif.report
        self.front = RingFrontend(vif, queues=QUEUES)
        self.control = Control(self.front)
        self.memory, self.gref = self.front.grants.page()
        self.pages = []
        for queue in self.front.queues:
            pages = [self.front.grants.page() for _ in range(buffers)]
            queue.post_buffers([(ident, gref) for ident, (_, gref) in enumerate(pages)])
            self.pages.append(pages)
        self.front.connect_and_wait(**self.control.keys())
        vif.need_open()
        self.ask = self.control.ask

    def give(self, data):
        """Bytes for a request that names a page."""
        self.memory[:len(data)] = data
        return self.gref

    def map(self, queues, offset=0):
        gref = self.give(struct.pack(f"<{len(queues)}I", *queues))
        return self.ask(SET_MAPPING, gref, len(queues), offset)

    def set_up(self, flags, mapping):
        report = self.report
        report.equal("algorithm", self.ask(SET_ALGORITHM, TOEPLITZ), SUCCESS)
        report.equal("flags", self.ask(SET_FLAGS, flags), SUCCESS)
        report.equal("key", self.ask(SET_KEY, self.give(KEY), len(KEY)), SUCCESS)
        report.equal("mapping size", self.ask(SET_MAPPING_SIZE, len(mapping)), SUCCESS)
        if mapping:
            report.equal("mapping", self.map(mapping), SUCCESS)

    def where(self, data):
        """Send it; the queue it comes on, and its (type, algorithm, hash) if it is told."""
        with self.vif.back.socket(0x0800) as sock:
            sock.send(data)

        def came():
            return [number for number, queue in enumerate(self.front.queues)
                    if queue.rx.rsp_prod != queue.rx.rsp_cons]
        queues = wait_for(10, came)
        if len(queues) != 1:
            return queues
        ring = self.front.queues[queues[0]].rx
        [first] = ring.responses(1)
        ident, _, flags, length = struct.unpack("<HHHh", first)
        if bytes(self.pages[queues[0]][ident][0][:length]) != data:
            return f"other bytes on queue {queues[0]}"
        if not flags & EXTRA_INFO:
            return queues[0], None
        [extra] = ring.responses(1)
        kind, more, hash_type, algorithm, value = struct.unpack("<BBBBI", extra)
        if (kind, more) != (EXTRA_HASH, 0):
            return extra
        return queues[0], (hash_type, algorithm, value)

    def end(self):
        self.front.leave()


def requests(vif):
    guest, report = Guest(vif), vif.report
    ask = guest.ask
    for name, request, want, c_fails in (
            ("flags without an algorithm", (GET_FLAGS,), NOT_SUPPORTED, None),
            ("setting them neither", (SET_FLAGS, IPV4), INVALID, None),
            ("an unknown algorithm", (SET_ALGORITHM, 2), INVALID, None),
            ("Toeplitz", (SET_ALGORITHM, TOEPLITZ), SUCCESS, None),
            ("flags", (GET_FLAGS,), (0, 15), None),
            ("an unknown flag", (SET_FLAGS, 16), INVALID, None),
            ("all flags", (SET_FLAGS, 15), SUCCESS, None),
            ("no flags", (SET_FLAGS, 0), SUCCESS, None),
            ("a key of 40 bytes", (SET_KEY, guest.gref, 40), SUCCESS, None),
            ("of 1", (SET_KEY, guest.gref, 1), SUCCESS, None),
            ("none", (SET_KEY, NO_GRANT, 0), SUCCESS, None),
            ("of 41", (SET_KEY, guest.gref, 41), OVERFLOW, "says that it is invalid"),
            ("of 2^32 - 1", (SET_KEY, guest.gref, 0xffffffff), OVERFLOW, "says that it is invalid"),
            ("of 65536 + 40", (SET_KEY, guest.gref, 65576), OVERFLOW, "says that it is invalid"),
            ("in no page of ours", (SET_KEY, NO_GRANT, 40), INVALID, None),
            ("the size of a mapping", (GET_MAPPING_SIZE,), (0, 128), None),
            ("129 entries", (SET_MAPPING_SIZE, 129), INVALID, None),
            ("2^32 - 1 entries", (SET_MAPPING_SIZE, 0xffffffff), INVALID, None),
            ("4 entries", (SET_MAPPING_SIZE, 4), SUCCESS, None),
            ("5 of them", (SET_MAPPING, guest.gref, 5, 0), INVALID, None),
            ("1 behind the last", (SET_MAPPING, guest.gref, 1, 4), INVALID, None),
            ("1 at 2^32 - 1", (SET_MAPPING, guest.gref, 1, 0xffffffff), OVERFLOW, "says invalid"),
            ("2^32 - 1 at 1", (SET_MAPPING, guest.gref, 0xffffffff, 1), OVERFLOW, "says invalid"),
            ("2^30 at 0", (SET_MAPPING, guest.gref, 1 << 30, 0), OVERFLOW, "says invalid"),
            ("2^14 at 0", (SET_MAPPING, guest.gref, 1 << 14, 0), OVERFLOW, "says invalid"),
            ("from no page of ours", (SET_MAPPING, NO_GRANT, 4, 0), INVALID, None),
            ("the invalid request", (0,), NOT_SUPPORTED, None),
            ("staging grants", (8,), NOT_SUPPORTED, None),
            ("the last type", (0xffff,), NOT_SUPPORTED, None)):
        if c_fails:
            report.c_fails(c_fails)
        report.equal(name, ask(*request), want)
    report.equal("a mapping", guest.map([0, 1, 2, 0]), SUCCESS)
    report.equal("to a queue that is not there", guest.map([0, QUEUES]), INVALID)
    report.equal("to queue 2^32 - 1", guest.map([0xffffffff]), INVALID)
    report.equal("to queue 65536", guest.map([65536]), INVALID)

    # As many as fit at once.
    for number in range(CONTROL_RING_SIZE):
        guest.control.post(number, GET_MAPPING_SIZE)
    guest.control.ring.publish()
    guest.control.notify()
    report.equal("128 at once", guest.control.answers(CONTROL_RING_SIZE),
                 [(number, GET_MAPPING_SIZE, 0, 128) for number in range(CONTROL_RING_SIZE)])
    guest.end()


def spread(vif):
    guest, report = Guest(vif, 100), vif.report
    mapping = [2, 0, 1, 1, 0, 2, 2]
    guest.set_up(IPV4 | IPV4_TCP, mapping)
    for source, from_port, destination, to_port, ports, addresses in FLOWS:
        name = f"{source}:{from_port}"
        flow = (source, from_port, destination, to_port)
        report.equal(f"{name}: TCP", guest.where(packet(*flow)),
                     (mapping[ports % 7], (1, TOEPLITZ, ports)))
        report.equal(f"{name}: UDP has a hash of the addresses", guest.where(packet(*flow, proto=17)),
                     (mapping[addresses % 7], (0, TOEPLITZ, addresses)))
        report.equal(f"{name}: as has a fragment", guest.where(packet(*flow, fragment=0x2000)),
                     (mapping[addresses % 7], (0, TOEPLITZ, addresses)))
    report.equal("another mapping of a part", guest.map([1, 1], 3), SUCCESS)
    mapping[3:5] = [1, 1]
    guest.ask(SET_FLAGS, IPV4)
    for *flow, _, addresses in FLOWS:
        report.equal(f"{flow[0]}: without ports", guest.where(packet(*flow)),
                     (mapping[addresses % 7], (0, TOEPLITZ, addresses)))
    guest.ask(SET_MAPPING_SIZE, 0)
    for *flow, _, addresses in FLOWS:
        report.equal(f"{flow[0]}: without a mapping, by the remainder", guest.where(packet(*flow)),
                     (addresses % QUEUES, (0, TOEPLITZ, addresses)))
    guest.ask(SET_KEY, NO_GRANT, 0)
    report.equal("without a key the hash is 0", guest.where(packet(*FLOWS[0][:4])),
                 (0, (0, TOEPLITZ, 0)))
    guest.ask(SET_KEY, guest.give(KEY), len(KEY))
    guest.ask(SET_FLAGS, IPV4_TCP)
    report.equal("UDP without a hash for it", guest.where(packet(*FLOWS[0][:4], proto=17)), (0, None))
    guest.ask(SET_ALGORITHM, NONE)
    found = guest.where(packet(*FLOWS[0][:4]))
    report.check("without an algorithm nothing is told", found[1:] == (None,), found)
    guest.set_up(15, [1])
    guest.end()

    guest = Guest(vif)
    found = guest.where(packet(*FLOWS[0][:4]))
    report.c_fails("keeps it over a reconnect")
    report.check("the next frontend is told nothing", found[1:] == (None,), found)
    report.c_fails("keeps it over a reconnect")
    report.equal("and has set up nothing", guest.ask(GET_FLAGS), NOT_SUPPORTED)
    report.equal("algorithm", guest.ask(SET_ALGORITHM, TOEPLITZ), SUCCESS)
    report.equal("flags", guest.ask(SET_FLAGS, IPV4), SUCCESS)
    report.c_fails("keeps it over a reconnect")
    report.equal("nor a key: the hash is 0", guest.where(packet(*FLOWS[0][:4])), (0, (0, TOEPLITZ, 0)))
    guest.end()


def early(vif):
    """Requests that are there before there is a backend: it knows by then which
    queues there are."""
    report = vif.report
    front = RingFrontend(vif, queues=QUEUES)
    control = Control(front)
    memory, gref = front.grants.page()
    memory[:12] = struct.pack("<3I", 2, 1, 0)
    requests_made = ((SET_ALGORITHM, TOEPLITZ), (SET_MAPPING_SIZE, 3), (SET_MAPPING, gref, 3, 0))
    for number, request in enumerate(requests_made):
        control.post(number, *request)
    control.ring.publish()
    front.connect_and_wait(**control.keys())
    report.c_fails("looks at the ring before it knows the queues")
    report.equal("requests from before are answered", control.answers(3),
                 [(number, kind, 0, 0) for number, (kind, *_) in enumerate(requests_made)])
    front.leave()


def cut_off(vif):
    if DRIVER == "xen-netback":
        return  # goes round 2^32 times
    guest, report = Guest(vif), vif.report
    guest.control.ring.publish(CONTROL_RING_SIZE + 1)
    guest.control.notify()
    vif.need_back(CLOSING, "an index beyond the ring: the backend closes")
    report.check("the error node says why", "request index 129" in (vif.error() or ""), vif.error())
    vif.front_write("state", CLOSED)
    vif.need_back(CLOSED)
    guest.front.start_again()
    vif.need_back(INIT_WAIT)
    guest = Guest(vif)
    report.equal("the next frontend is served", guest.ask(GET_MAPPING_SIZE), (0, 128))
    guest.end()

    front = RingFrontend(vif)
    control = Control(front)
    front.connect(feature_sg=1, **{"ctrl-ring-ref": control.ring.gref})
    vif.need_back(CLOSING, "a ring without a channel is refused")
    report.check("the error node says why", "event-channel-ctrl" in (vif.error() or ""), vif.error())
    front.withdraw()
    front.start_again()
    vif.need_back(INIT_WAIT)


def test(report):
    report.at_exit(load_driver)
    load_driver("max_queues=4")
    vif = Vif(report)
    vif.attach(netfront=False)
    wait_for(10, lambda: vif.back_state() == INIT_WAIT)
    report.equal("offered", vif.back_read("feature-ctrl-ring"), "1")
    for part in (requests, spread, early, cut_off):
        part(vif)
    problem = vif.detach()
    report.need("detach", not problem, problem)


if __name__ == "__main__":
    Report().run(test)
