#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checksums as the receiving end's packet socket sees them: right, or blank and
marked so, with the pseudo header's sum in place. And what the sender got wrong
stays wrong: the driver may not vouch for it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
import socket  # noqa: E402
import struct  # noqa: E402

from ipcheck import ETH_P_IP, Wire, checksum, tcp  # noqa: E402
from netdev import namespace  # noqa: E402
from report import Report  # noqa: E402
from vif import NETNS, Vif  # noqa: E402


def send_datagram(netns, address, payload):
    with namespace(netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(payload, (address, 9))


def datagrams_and_stream(report, vif, name, wanted):
    """wanted: the verdicts that are right, a set."""
    for direction, source, source_ns, target, target_ns, address in (
            ("to the backend", vif.front, NETNS, vif.back, None, vif.back_ip),
            ("to the frontend", vif.back, None, vif.front, NETNS, vif.front_ip)):
        want = wanted.get(source)
        if want is None:
            continue
        wire = Wire(target)
        for size in (1, 100, 1472):
            send_datagram(source_ns, address, (bytes(range(1, 201)) * 8)[:size])
            verdict = wire.next(socket.IPPROTO_UDP)[0]
            report.check(f"UDP {direction}, {size} bytes, {name}", verdict in want,
                         f"{verdict}, want {want}")
        why = tcp(source_ns, target_ns, address, 60000)
        report.check(f"TCP {direction}, {name}", not why, why)
        verdicts = wire.drain()
        report.check(f"TCP checksums {direction}, {name}", verdicts and verdicts <= want,
                     f"{verdicts}, want {want}")
        wire.close()


def wrong_stays_wrong(report, vif):
    """A datagram with a wrong checksum is the stack's to refuse."""
    for direction, source, target, target_ns, address, peer in (
            ("to the backend", vif.front, vif.back, None, vif.back_ip, vif.front_ip),
            ("to the frontend", vif.back, vif.front, NETNS, vif.front_ip, vif.back_ip)):
        with namespace(target_ns):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock, source.socket(ETH_P_IP) as out:
            sock.bind((address, 0))
            sock.settimeout(5)
            port = sock.getsockname()[1]
            for text, right in ((b"wrong checksum", False), (b"right checksum", True)):
                udp = struct.pack("!HHHH", 4000, port, 8 + len(text), 0) + text
                addresses = socket.inet_aton(peer) + socket.inet_aton(address)
                total = checksum(udp, checksum(addresses + struct.pack("!HH", 17, len(udp))))
                udp = udp[:6] + struct.pack("!H", total ^ (0xFFFF if right else 0x1234)) + udp[8:]
                ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + addresses
                ip = ip[:10] + struct.pack("!H", checksum(ip) ^ 0xFFFF) + ip[12:]
                out.send(target.mac + source.mac + struct.pack("!H", ETH_P_IP) + ip + udp)
            try:
                got = sock.recv(100)
            except TimeoutError:
                got = b"nothing"
            report.equal(f"of a wrong and a right datagram {direction}, the right one arrives",
                         got, b"right checksum")


def test(report):
    vif = Vif(report)
    vif.ready_with_addresses(front={"feature-no-csum-offload": 0})
    front, back = vif.front, vif.back
    # GRO makes blank checksums of right ones; this is about what the driver did.
    for netdev in (front, back):
        netdev.ethtool("-K", "gro", "off")
    datagrams_and_stream(report, vif, "offload on",
                         {front: {"blank", "full"}, back: {"blank", "full"}})
    wrong_stays_wrong(report, vif)
    # (netfront can't turn its own off for IPv4.)
    back.ethtool("-K", "tx", "off")
    datagrams_and_stream(report, vif, "offload off at the sender", {back: {"full"}})

    # A frontend that can't take blank checksums must never get one.
    problem = vif.detach()
    report.need("detach", not problem, problem)
    vif.ready_with_addresses(front={"feature-no-csum-offload": 1})
    report.check("feature-no-csum-offload turns the feature off",
                 "tx-checksum-ipv4: off" in vif.back.ethtool("-k"))
    vif.front.ethtool("-K", "gro", "off")
    datagrams_and_stream(report, vif, "feature-no-csum-offload", {vif.back: {"full"}})


if __name__ == "__main__":
    Report().run(test)
