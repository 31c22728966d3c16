# SPDX-License-Identifier: GPL-2.0
"""IPv4 through a vif whose frontend is in a namespace, verified end to end:
echo, UDP and TCP with contents compared, and checksums as they are on the wire."""
import hashlib
import os
import socket
import struct
import threading
import time

from netdev import PACKET_AUXDATA, SOL_PACKET, namespace

IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
TP_STATUS_CSUMNOTREADY = 8
ETH_P_IP = 0x0800


def checksum(data, start=0):
    """The one's complement sum, not inverted."""
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Echo:
    """ICMP echo from one end; the kernel of the other answers."""

    def __init__(self, netns, target, dont_fragment=False):
        with namespace(netns):
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 19)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if dont_fragment:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        self.sock.connect((target, 0))
        # One for each, since a socket hears all echoes until it is connected.
        self.ident = int.from_bytes(os.urandom(2), "big")
        self.number = 0

    def ping(self, size, seconds=5):
        """One echo with that many bytes of data; what went wrong, or nothing."""
        self.number += 1
        payload = os.urandom(size)
        head = struct.pack("!BBHHH", 8, 0, 0, self.ident, self.number)
        head = struct.pack("!BBHHH", 8, 0, 0xFFFF ^ checksum(head + payload), self.ident, self.number)
        self.sock.send(head + payload)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.sock.recv(1 << 17)[20:]
            except TimeoutError:
                break
            if data[:1] == b"\0" and struct.unpack_from("!HH", data, 4) == (self.ident, self.number):
                return "" if data[8:] == payload else f"{size} bytes came back changed"
        return f"no answer to {size} bytes"

    def close(self):
        self.sock.close()


def ping_sizes(netns, target, sizes, dont_fragment=False):
    """The complaints about a series of sizes, joined."""
    echo = Echo(netns, target, dont_fragment)
    try:
        return "; ".join(filter(None, (echo.ping(size) for size in sizes)))
    finally:
        echo.close()


def udp_sizes(from_ns, to_ns, to_ip, sizes, seconds=5):
    """A datagram of each size, one at a time, compared at the receiver."""
    with namespace(to_ns):
        into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with namespace(from_ns):
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with into, out:
        into.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 19)
        into.settimeout(seconds)
        into.bind((to_ip, 0))
        out.connect(into.getsockname())
        for size in sizes:
            payload = os.urandom(size)
            out.send(payload)
            try:
                got = into.recv(1 << 17)
            except TimeoutError:
                return f"a datagram of {size} bytes did not come"
            if got != payload:
                return f"a datagram of {size} bytes came changed"
    return ""


def tcp(from_ns, to_ns, to_ip, octets, seconds=30):
    """A connection that carries so many random bytes; compares their hashes."""
    with namespace(to_ns):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with namespace(from_ns):
        out = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    data = os.urandom(octets)
    problem = []

    def send():
        try:
            out.connect(listener.getsockname())
            out.sendall(data)
        except OSError as error:
            problem.append(f"sender: {error}")
        finally:
            out.close()

    with listener:
        listener.settimeout(seconds)
        out.settimeout(seconds)
        listener.bind((to_ip, 0))
        listener.listen(1)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        digest, count = hashlib.sha256(), 0
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(seconds)
                while chunk := connection.recv(1 << 18):
                    digest.update(chunk)
                    count += len(chunk)
        except OSError as error:
            problem.append(f"receiver after {count} bytes: {error}")
        sender.join(seconds)
    if not problem and count != octets:
        problem.append(f"{count} of {octets} bytes came")
    if not problem and digest.digest() != hashlib.sha256(data).digest():
        problem.append(f"the {octets} bytes came changed")
    return "; ".join(problem)


class Wire:
    """A packet socket that sees IPv4 frames as an interface hands them over, and
    whether the kernel was told that the checksum is still to be made."""

    def __init__(self, netdev):
        self.sock = netdev.socket(ETH_P_IP, auxdata=True)
        self.sock.settimeout(5)

    def next(self, protocol):
        """(verdict, frame) of the next frame of this IP protocol: "full" for a
        right checksum, "blank" for a pseudo header's sum that is marked as
        such, otherwise a description of what is wrong."""
        while True:
            data, control, _, _ = self.sock.recvmsg(1 << 17, 256)
            ip = data[14:]
            if ip[9] != protocol:
                continue
            status = 0
            for level, kind, value in control:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status = struct.unpack_from("=I", value)[0]
            return self.verdict(ip, bool(status & TP_STATUS_CSUMNOTREADY)), data

    @staticmethod
    def verdict(ip, not_ready):
        header = (ip[0] & 15) * 4
        total = struct.unpack_from("!H", ip, 2)[0]
        body = ip[header:total]
        if checksum(ip[:header]) != 0xFFFF:
            return "IP header checksum is wrong"
        if len(ip) < total:
            return f"frame is cut: {len(ip)} of {total} bytes"
        pseudo = checksum(ip[12:20] + struct.pack("!HH", ip[9], len(body)))
        at = 16 if ip[9] == socket.IPPROTO_TCP else 6
        if not_ready:
            return "blank" if struct.unpack_from("!H", body, at)[0] == pseudo else \
                "marked blank, but it is not the pseudo header's sum"
        return "full" if checksum(body, pseudo) == 0xFFFF else "checksum is wrong"

    def drain(self):
        """The verdicts of all the TCP frames that have come, as a set."""
        verdicts = set()
        self.sock.settimeout(0.2)
        try:
            while True:
                verdicts.add(self.next(socket.IPPROTO_TCP)[0])
        except TimeoutError:
            return verdicts

    def close(self):
        self.sock.close()
