#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What ethtool shows of a vif and what it lets an administrator change: numbers of
queues, ring sizes, the link, and offloads, which are on as far as the frontend
takes them and the administrator wants them, and off in what the guest gets."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from ipcheck import ETH_P_IP, checksum  # noqa: E402
from netdev import SOL_PACKET  # noqa: E402
from report import Report  # noqa: E402
from ring_frontend import EXTRA_INFO, MORE_DATA, RING_SIZE, RingFrontend  # noqa: E402
from vif import INIT_WAIT, Vif, load_driver  # noqa: E402

MAX = 4
PACKET_VNET_HDR = 15
VNET_HDR = struct.Struct("<BBHHHH")  # flags, type, header length, size, csum start and offset
NEEDS_CSUM, VNET_TCPV4 = 1, 1
HEADERS = 14 + 20 + 20
SEGMENT = 1400
PAYLOAD = bytes(range(251)) * 20
RX_BLANK = 2

# As ethtool -k names them, and the key by which a frontend says that it takes them.
FEATURES = {"tx-scatter-gather": "feature-sg", "tx-checksum-ipv4": None,
            "tx-checksum-ipv6": "feature-ipv6-csum-offload",
            "tx-tcp-segmentation": "feature-gso-tcpv4", "tx-tcp6-segmentation": "feature-gso-tcpv6"}
ALL = {"feature-sg": 1, "feature-no-csum-offload": 0, "feature-ipv6-csum-offload": 1,
       "feature-gso-tcpv4": 1, "feature-gso-tcpv6": 1}
NONE = {"feature-sg": 0, "feature-no-csum-offload": 1}


def ethtool(vif, *arguments):
    """What it prints, or None if it fails."""
    try:
        return vif.back.ethtool(*arguments)
    except RuntimeError:
        return None


def table(text, *keys):
    """The numbers that these keys have: first the maxima, then the current ones."""
    found = {key: [] for key in keys}
    for line in (text or "").splitlines():
        key, _, value = line.partition(":")
        if key in found:
            found[key].append(value.strip())
    return found


def features(vif):
    words = {}
    for line in vif.back.ethtool("-k").splitlines():
        name, _, state = line.strip().partition(": ")
        words[name] = state
    return words


def states(vif):
    found = features(vif)
    return {name: found[name] for name in FEATURES}


def connect(vif, queues=1, **keys):
    front = RingFrontend(vif, queues=queues)
    front.connect_and_wait(**{"feature_sg": None} | keys)
    vif.need_open()
    return front


def end(vif, front):
    front.leave()


def channels(vif, name, connected):
    report = vif.report
    report.c_fails("does not say")
    report.equal(f"{name}: -l", table(ethtool(vif, "-l"), "Combined", "RX", "TX"),
                 {"Combined": [str(MAX), str(connected)], "RX": ["n/a", "n/a"], "TX": ["n/a", "n/a"]})
    report.check(f"{name}: -L is refused", ethtool(vif, "-L", "combined", "1") is None)


def rings(vif):
    report = vif.report
    report.c_fails("does not say")
    report.equal("-g", table(ethtool(vif, "-g"), "RX", "TX"),
                 {"RX": [str(RING_SIZE)] * 2, "TX": [str(RING_SIZE)] * 2})
    report.check("-G is refused", ethtool(vif, "-G", "rx", "128") is None)
    report.check("-c has nothing to say", ethtool(vif, "-c") is None)
    report.check("-x has nothing to say", ethtool(vif, "-x") is None)


def link(vif, name, detected):
    report = vif.report
    text = vif.back.ethtool()
    report.equal(f"{name}: link detected", table(text, "\tLink detected"),
                 {"\tLink detected": [detected]})
    report.c_fails("does not say")
    report.equal(f"{name}: speed, duplex, port",
                 table(text, "\tSpeed", "\tDuplex", "\tPort", "\tAuto-negotiation"),
                 {"\tSpeed": ["Unknown!"], "\tDuplex": ["Full"], "\tPort": ["Other"],
                  "\tAuto-negotiation": ["off"]})


def only(vif, wanted):
    """A frontend that takes one feature at a time, or all but one."""
    report = vif.report
    keys = dict.fromkeys(FEATURES.values())
    del keys[None]
    for name, taken in ((wanted, {wanted: 1}),
                        (f"all but {wanted}", {key: int(key != wanted) for key in keys})):
        front = connect(vif, **NONE | taken)
        want = {feature: bool(taken.get(key)) for feature, key in FEATURES.items()}
        # The stack wants pieces and checksums with segmentation, and none takes IPv4 checksums here.
        want["tx-tcp-segmentation"] = False
        want["tx-tcp6-segmentation"] &= want["tx-scatter-gather"] and want["tx-checksum-ipv6"]
        report.equal(f"a frontend with {name}",
                     {feature: state.startswith("on") for feature, state in states(vif).items()}, want)
        if not taken.get("feature-sg"):
            report.c_fails("leaves it on without feature-sg")
        report.equal(f"a frontend with {name}: packets in lists",
                     features(vif)["tx-scatter-gather-fraglist"].startswith("on"),
                     bool(taken.get("feature-sg")))
        end(vif, front)


def segment(payload, source_port):
    """TCP over IPv4 to the guest with a blank checksum, as the stack leaves it to a
    device: its field has the sum of the pseudo header."""
    size = 20 + len(payload)
    ends = bytes([10, 8, 10, 1]) + bytes([10, 8, 10, 2])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 1, 0x4000, 64, 6, 0) + ends
    ip = ip[:10] + struct.pack("!H", 0xffff - checksum(ip)) + ip[12:]
    total = checksum(ends + struct.pack("!II", size, 6))
    tcp = struct.pack("!HHIIBBHHH", source_port, 5000, 1, 0, 5 << 4, 0x10, 1000, total, 0)
    return b"\x00\x16\x3e\x00\x00\x0a" + b"\xfe" + b"\xff" * 5 + b"\x08\x00" + ip + tcp + payload


def is_right(data):
    """Is the TCP checksum of a packet over IPv4 the right one?"""
    total = struct.unpack_from("!H", data, 16)[0]
    packet = data[14:14 + total]
    return checksum(packet[12:20] + struct.pack("!II", total - 20, 6) + packet[20:]) == 0xffff


class Taker:
    """A frontend that takes everything, and what it gets of one long TCP packet."""

    def __init__(self, vif):
        self.vif = vif
        self.front = connect(vif, **ALL)
        self.pages = [self.front.grants.page() for _ in range(16)]

    def take(self, payload, gso):
        """[(bytes, flags of the first buffer)] of the packets that come."""
        rx = self.front.rx
        posted = (rx.req_prod - rx.rsp_cons) & 0xffffffff
        self.front.post_buffers([((rx.req_prod + number) % 16, self.pages[(rx.req_prod + number) % 16][1])
                                 for number in range(16 - posted)])
        data = segment(payload, 4000)
        with self.vif.back.socket(ETH_P_IP) as sock:
            sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            sock.send(VNET_HDR.pack(NEEDS_CSUM, VNET_TCPV4 if gso else 0, HEADERS if gso else 0,
                                    SEGMENT if gso else 0, 34, 16) + data)
        packets, got = [], 0
        while got < len(payload):
            [answer] = rx.responses(1) or [None]
            if answer is None:
                break
            ident, _, flags, length = struct.unpack("<HHHh", answer)
            part, first = bytes(self.pages[ident][0][:length]), flags
            if flags & EXTRA_INFO:
                rx.responses(1)
            while flags & MORE_DATA:
                ident, _, flags, length = struct.unpack("<HHHh", rx.responses(1)[0])
                part += bytes(self.pages[ident][0][:length])
            packets.append((part, first))
            got += len(part) - HEADERS
        return packets


def effects(vif):
    """What the administrator turns off is off in what the guest gets."""
    report = vif.report
    taker = Taker(vif)
    # The last two turn segmentation off as well.
    for turned, others_off in (("tx-tcp-segmentation", set()),
                               ("tx-scatter-gather", {"tx-tcp-segmentation", "tx-tcp6-segmentation"}),
                               ("tx-checksum-ipv4", {"tx-tcp-segmentation"})):
        for state in ("off", "on"):
            name = f"-K {turned} {state}"
            vif.back.ethtool("-K", turned, state)
            off = set() if state == "on" else {turned} | others_off
            report.equal(f"{name}: what is off",
                         {feature for feature, text in states(vif).items() if not text.startswith("on")},
                         off)
            packets = taker.take(PAYLOAD, True)
            if off:
                report.equal(f"{name}: the guest gets segments",
                             [len(data) for data, _ in packets],
                             [HEADERS + len(PAYLOAD[at:at + SEGMENT])
                              for at in range(0, len(PAYLOAD), SEGMENT)])
            else:
                report.equal(f"{name}: the guest gets one packet, with GSO",
                             [(len(data), bool(flags & EXTRA_INFO)) for data, flags in packets],
                             [(HEADERS + len(PAYLOAD), True)])
            report.check(f"{name}: their bytes",
                         b"".join(data[HEADERS:] for data, _ in packets) == PAYLOAD)
            [(data, flags)] = taker.take(PAYLOAD[:500], False)
            if turned == "tx-checksum-ipv4" and off:
                report.check(f"{name}: the guest gets right checksums",
                             is_right(data) and not flags & RX_BLANK, flags)
            else:
                report.check(f"{name}: the guest gets blank checksums",
                             flags & RX_BLANK and data == segment(PAYLOAD[:500], 4000), flags)
    return taker


def offloads(vif):
    report = vif.report
    front = connect(vif, **NONE)
    report.equal("a frontend that takes nothing", set(states(vif).values()), {"off [requested on]"})
    report.equal("what the device does not do is fixed",
                 {features(vif)[name] for name in ("tx-udp-segmentation", "rx-vlan-offload", "rx-lro")
                  if name in features(vif)}, {"off [fixed]"})
    report.equal("checksums of the guest are believed", features(vif)["rx-checksumming"], "on [fixed]")
    ethtool(vif, "-K", "tx", "on", "sg", "on", "tso", "on")
    report.check("-K does not turn them on",
                 not any(state.startswith("on") for state in states(vif).values()), states(vif))
    end(vif, front)
    for key in ("feature-sg", "feature-ipv6-csum-offload", "feature-gso-tcpv4", "feature-gso-tcpv6"):
        only(vif, key)

    taker = effects(vif)
    report.equal("a frontend that takes all", set(states(vif).values()), {"on"})
    vif.back.ethtool("-K", "tso", "off")
    end(vif, taker.front)
    taker = Taker(vif)
    report.equal("what is turned off stays off for the next frontend",
                 {name for name, state in states(vif).items() if state != "on"},
                 {"tx-tcp-segmentation", "tx-tcp6-segmentation"})
    vif.back.ethtool("-K", "tso", "on")
    report.equal("until it is turned on", set(states(vif).values()), {"on"})
    end(vif, taker.front)


def test(report):
    report.at_exit(load_driver)
    load_driver(f"max_queues={MAX}")
    vif = Vif(report)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    vif.back.up()
    channels(vif, "without a frontend", 0)
    link(vif, "without a frontend", "no")
    for queues in (3, 1):
        front = connect(vif, queues)
        channels(vif, f"{queues} connected", queues)
        link(vif, f"{queues} connected", "yes")
        end(vif, front)
    channels(vif, "the frontend has gone", 0)
    rings(vif)
    offloads(vif)
    problem = vif.detach()
    report.need("detach", not problem, problem)


if __name__ == "__main__":
    Report().run(test)
