#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""TCP in packets that are yet to be segmented, both ways: how it is told, what
must agree with the headers, and what a frontend that cannot take them gets."""
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import SOL_PACKET, namespace  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402
from ring_frontend import (CSUM_BLANK, DATA_VALIDATED, ERROR, EXTRA_INFO, MORE_DATA, NULL,  # noqa: E402
                           OKAY, PAGE, RingFrontend)
from tracing import Tracing  # noqa: E402
from vif import INIT_WAIT, Vif, load_driver  # noqa: E402

PACKET_VNET_HDR = 15
VNET_HDR = struct.Struct("<BBHHHH")  # flags, type, header length, size, csum start and offset
NEEDS_CSUM = 1
TCPV4, TCPV6 = 1, 2  # of the protocol
VNET_TCPV4, VNET_TCPV6 = 1, 4  # of the socket
EXTRA_GSO = 1
OWN = b"\x00\x16\x3e\x00\x00\x0a"
VIF = b"\xfe" + b"\xff" * 5
RX_BLANK, RX_VALIDATED = 2, 1
SKB_GSO_DODGY = 2


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def packet(version, payload, blank=True, proto=6, destination=VIF, source=OWN):
    """TCP (or UDP) over IPv4 or IPv6; with a blank checksum, its field has the sum
    of the pseudo header, as the stack does it."""
    size = (20 if proto == 6 else 8) + len(payload)
    if version == 4:
        ends = bytes([10, 8, 10, 2]) + bytes([10, 8, 10, 1])
        ip = struct.pack("!BBHHHBBH", 0x45, 0, min(20 + size, 0xffff), 1, 0x4000, 64, proto, 0) + ends
        ip = ip[:10] + struct.pack("!H", 0xffff - checksum(ip)) + ip[12:]
    else:
        ends = b"\xfd" + bytes(14) + b"\x02" + b"\xfd" + bytes(14) + b"\x01"
        ip = struct.pack("!IHBB", 6 << 28, size, proto, 64) + ends
    pseudo = ends + struct.pack("!II", size, proto)
    if proto == 6:
        tcp = struct.pack("!HHIIBBHHH", 4000, 5000, 1, 0, 5 << 4, 0x10, 1000, 0, 0)
        field = 16
    else:
        tcp = struct.pack("!HHHH", 4000, 5000, size & 0xffff, 0)
        field = 6
    total = checksum(pseudo)
    if not blank:
        total = 0xffff - checksum(struct.pack("!H", total) + tcp + payload)
    tcp = tcp[:field] + struct.pack("!H", total) + tcp[field + 2:]
    return destination + source + struct.pack("!H", 0x0800 if version == 4 else 0x86dd) + \
        ip + tcp + payload


def vnet_socket(netdev, protocol):
    sock = netdev.socket(protocol)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.settimeout(10)
    return sock


def gso_extra(kind, size):
    return struct.pack("<BBHBBH", EXTRA_GSO, 0, size, kind, 0, 0)


class Sender:
    def __init__(self, vif, **keys):
        self.vif, self.report = vif, vif.report
        self.front = RingFrontend(vif)
        self.pages = [self.front.grants.page() for _ in range(17)]
        self.buffers = [self.front.grants.page() for _ in range(120)]
        self.front.post_buffers([(ident, gref) for ident, (_, gref) in enumerate(self.buffers)])
        self.front.connect_and_wait(**keys)
        vif.need_open()

    def send(self, data, gso, flags=CSUM_BLANK):
        """Put it on the ring with this extra info; the statuses of its slots."""
        parts = [data[at:at + PAGE] for at in range(0, len(data), PAGE)]
        slots = []
        for number, (part, (memory, gref)) in enumerate(zip(parts, self.pages)):
            memory[:len(part)] = part
            more = MORE_DATA if number + 1 < len(parts) else 0
            if number == 0:
                slots += [(gref, 0, len(data) & 0xffff, flags | more | EXTRA_INFO), gso]
            else:
                slots.append((gref, 0, len(part), more))
        ids = self.front.send_slots(slots)
        answers = self.front.statuses(len(slots))
        if [ident or 0 for ident in ids] != [ident for ident, _ in answers] or \
                answers[1][1] != NULL:
            return answers
        return {status for number, (_, status) in enumerate(answers) if number != 1}

    def statistic(self, name):
        for line in self.vif.back.ethtool("-S").splitlines():
            if line.strip().startswith(name + ":"):
                return int(line.rsplit(":", 1)[1])
        return None

    def end(self):
        self.front.leave()


def from_guest(vif):
    s = Sender(vif)
    report = vif.report
    payload = bytes(range(251)) * 262
    for version, kind, vnet, protocol in ((4, TCPV4, VNET_TCPV4, 0x0800),
                                          (6, TCPV6, VNET_TCPV6, 0x86dd)):
        longest = 65535 - 14 - (40 if version == 4 else 60)
        with vnet_socket(vif.back, protocol) as sock:
            for length in (3000, 20000, longest):
                data = packet(version, payload[:length])
                name = f"IPv{version}, {len(data)} bytes"
                report.equal(f"{name}: answered", s.send(data, gso_extra(kind, 1400)), {OKAY})
                got = sock.recv(1 << 17)
                flags, gso, _, size, start, offset = VNET_HDR.unpack_from(got)
                report.check(f"{name}: bytes", got[VNET_HDR.size:] == data)
                report.equal(f"{name}: offload", (flags, gso, size, start, offset),
                             (NEEDS_CSUM, vnet, 1400, 34 if version == 4 else 54, 16))

            # It came with a checksum: made blank, as each segment has its own.
            for flags in (0, DATA_VALIDATED):
                before = s.statistic("rx_gso_checksum_fixup")
                data = packet(version, payload[:20000], blank=False)
                name = f"IPv{version}, with a checksum and flags {flags}"
                report.equal(f"{name}: answered", s.send(data, gso_extra(kind, 1400), flags), {OKAY})
                got = sock.recv(1 << 17)
                report.check(f"{name}: the checksum is blank",
                             got[VNET_HDR.size:] == packet(version, payload[:20000]))
                report.equal(f"{name}: offload", VNET_HDR.unpack_from(got)[:2], (NEEDS_CSUM, vnet))
                report.equal(f"{name}: counted", s.statistic("rx_gso_checksum_fixup"), before + 1)

            # One segment is a packet like any other.
            data = packet(version, payload[:1000])
            s.send(data, gso_extra(kind, 1400))
            got = sock.recv(1 << 17)
            report.check(f"IPv{version}, one segment: bytes", got[VNET_HDR.size:] == data)
    s.end()


def untrusted(vif):
    """The stack is told that the headers of what is to be segmented are a guest's."""
    report = vif.report
    tracing = Tracing(report, "net/napi_gro_receive_entry", "net/netif_receive_skb_entry")
    s = Sender(vif)
    for version, kind in ((4, TCPV4), (6, TCPV6)):
        report.equal(f"IPv{version}: answered",
                     s.send(packet(version, bytes(20000)), gso_extra(kind, 1400)), {OKAY})
    seen = re.findall(rf" dev={vif.back.name} .* gso_size=1400 gso_type=0x([0-9a-f]+)", tracing.take())
    report.equal("both are traced", len(seen), 2)
    report.c_fails("passes them on as if they were this host's")
    report.check("and marked", all(int(kind, 16) & SKB_GSO_DODGY for kind in seen), seen)
    tracing.enable(False)
    s.end()


def contradictions(vif):
    """What is said of a packet and what its headers say must be the same."""
    report = vif.report
    if DRIVER == "xen-netback":
        return  # cuts off for the first two, and passes the others on
    s = Sender(vif)
    payload = bytes(20000)
    good = packet(4, payload)
    with vif.back.socket(3) as sock:  # ETH_P_ALL
        sock.settimeout(10)
        for name, data, extra, statuses in (
                ("segments of no bytes", good, gso_extra(TCPV4, 0), {ERROR}),
                ("segments of 7 bytes", good, gso_extra(TCPV4, 7), {ERROR}),
                ("an IPv4 header of 16 bytes before one of TCP",
                 good[:14] + b"\x44" + good[15:42] + b"\x50" + good[43:],
                 gso_extra(TCPV4, 1400), {OKAY}),
                ("an unknown type", good, gso_extra(3, 1400), {ERROR}),
                ("type 0", good, gso_extra(0, 1400), {ERROR}),
                ("TCPv6 on IPv4", good, gso_extra(TCPV6, 1400), {OKAY}),
                ("TCPv4 on IPv6", packet(6, payload), gso_extra(TCPV4, 1400), {OKAY}),
                ("TCPv4 on UDP", packet(4, payload, proto=17), gso_extra(TCPV4, 1400), {OKAY}),
                ("TCP that ends in its header", good[:14 + 20 + 18], gso_extra(TCPV4, 1400), {OKAY}),
                ("a header longer than the packet", good[:46] + b"\xf0" + good[47:60],
                 gso_extra(TCPV4, 8), {OKAY}),
                ("an unknown protocol", good[:12] + b"\x12\x34" + good[14:],
                 gso_extra(TCPV4, 1400), {OKAY})):
            errors = vif.back.counters()[2]
            report.equal(f"{name}: answered", s.send(data, extra), statuses)
            report.check(f"{name}: counted as an error",
                         wait_for(5, lambda e=errors: vif.back.counters()[2] == e + 1))
            small = b"\xff" * 12 + b"\x88\xb5" + bytes(46)
            s.pages[0][0][:60] = small
            s.front.send_slots([(s.pages[0][1], 0, 60, 0)])
            s.front.statuses(1)
            report.equal(f"{name}: only the next packet comes", sock.recv(1 << 17), small)
    report.equal("no error node", vif.error(), None)
    s.end()


def short_header(vif):
    """A blank checksum behind an IPv4 header that is shorter than it can be."""
    report = vif.report
    s = Sender(vif)
    good = packet(4, bytes(100))
    memory, gref = s.pages[0]
    with vif.back.socket(3) as sock:  # ETH_P_ALL
        sock.settimeout(10)
        for words in (0, 1, 4):
            data = good[:14] + bytes([0x40 | words]) + good[15:]
            memory[:len(data)] = data
            errors = vif.back.counters()[2]
            [ident] = s.front.send_slots([(gref, 0, len(data), CSUM_BLANK)])
            report.equal(f"IPv4 header of {words} words: answered", s.front.statuses(1), [(ident, OKAY)])
            report.c_fails("passes it on for 0 words, and counts no errors")
            report.check(f"IPv4 header of {words} words: counted as an error",
                         wait_for(5, lambda e=errors: vif.back.counters()[2] == e + 1))
        memory[:len(good)] = good
        s.front.send_slots([(gref, 0, len(good), CSUM_BLANK)])
        s.front.statuses(1)
        report.c_fails("as above")
        report.check("only the good one comes", sock.recv(1 << 17) == good)
    s.end()


def to_guest(vif):
    report = vif.report
    payload = bytes(range(251)) * 80
    for version, kind, vnet, key, header in (
            (4, TCPV4, VNET_TCPV4, "feature_gso_tcpv4", 54),
            (6, TCPV6, VNET_TCPV6, "feature_gso_tcpv6", 74)):
        for wanted in (1, 0):
            name = f"IPv{version} to a frontend with {'' if wanted else 'no '}GSO"
            s = Sender(vif, **{key: wanted, "feature-ipv6-csum-offload": 1})
            data = packet(version, payload, destination=OWN, source=VIF)
            with vnet_socket(vif.back, 0x0800 if version == 4 else 0x86dd) as sock:
                sock.send(VNET_HDR.pack(NEEDS_CSUM, vnet, header, 1400, header - 20, 16) + data)
            if wanted:
                count = -(-len(data) // PAGE) + 1
                answers = s.front.rx.responses(count)
                report.equal(f"{name}: buffers", len(answers), count)
                extra = answers.pop(1)
                report.equal(f"{name}: the extra info", extra, gso_extra(kind, 1400))
                answers = [struct.unpack("<HHHh", answer) for answer in answers]
                report.equal(f"{name}: flags of the first", answers[0][2],
                             RX_BLANK | RX_VALIDATED | MORE_DATA | EXTRA_INFO)
                found = b"".join(bytes(s.buffers[ident][0][:length])
                                 for ident, _, _, length in answers)
                report.check(f"{name}: bytes", found == data)
            else:
                count = -(-len(payload) // 1400)
                answers = s.front.received(count)
                report.equal(f"{name}: the segments, one buffer each",
                             [(flags & (MORE_DATA | EXTRA_INFO), length)
                              for _, _, flags, length in answers],
                             [(0, header + min(1400, len(payload) - at))
                              for at in range(0, len(payload), 1400)])
                found = b"".join(bytes(s.buffers[ident][0][header:length])
                                 for ident, _, _, length in answers)
                report.check(f"{name}: bytes", found == payload)
            s.end()


def streams(report):
    """With netfront: a stream crosses in packets that are much longer than 1500."""
    vif = Vif(report, handle=11)
    vif.ready_with_addresses()
    total = 8 << 20
    for name, client, server, netns in (
            ("from the guest", vif.front.netns, None, vif.back_ip),
            ("to the guest", None, vif.front.netns, vif.front_ip)):
        before = vif.back.counters()
        with namespace(server):
            listener = socket.create_server((netns, 7000))
        with namespace(client):
            out = socket.create_connection((netns, 7000), timeout=10)
        into, _ = listener.accept()
        into.settimeout(20)
        out.setblocking(False)
        chunk, sent, got = bytes(1 << 16), 0, 0
        while got < total:
            try:
                while sent < total:
                    sent += out.send(chunk[:total - sent])
            except BlockingIOError:
                pass
            got += len(into.recv(1 << 20))
        for sock in (out, into, listener):
            sock.close()
        after = vif.back.counters()
        number = (after[1] - before[1]) if name == "from the guest" else (after[5] - before[5])
        report.check(f"{total >> 20} MiB {name} in packets of 4 KiB and more on average",
                     0 < number < total // 4096, f"{number} packets")
    problem = vif.detach()
    report.check("detach", not problem, problem)


def test(report):
    report.at_exit(load_driver)
    vif = Vif(report)
    vif.attach(netfront=False)
    wait_for(10, lambda: vif.back_state() == INIT_WAIT)
    report.equal("offered", [vif.back_read(f"feature-gso-tcpv{n}") for n in (4, 6)], ["1", "1"])
    from_guest(vif)
    untrusted(vif)
    contradictions(vif)
    short_header(vif)
    to_guest(vif)
    problem = vif.detach()
    report.need("detach", not problem, problem)
    streams(report)


if __name__ == "__main__":
    Report().run(test)
