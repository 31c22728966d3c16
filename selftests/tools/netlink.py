# SPDX-License-Identifier: GPL-2.0
"""Generic netlink, as much of it as the tests ask: lists that the kernel's "netdev"
family keeps of an interface's queues (Documentation/netlink/specs/netdev.yaml)."""
import os
import socket
import struct
import sys

NETLINK_GENERIC = 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
GENERIC = struct.Struct("=BBH")  # command, version, reserved

CONTROL, GETFAMILY, FAMILY_ID, FAMILY_NAME = 16, 3, 1, 2
QUEUE_GET, NAPI_GET, QSTATS_GET = 10, 11, 12
RX, TX = 0, 1
SCOPE_QUEUE = 1


def attribute(kind, data):
    if isinstance(data, int):
        data = struct.pack("=I", data)
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:length]
        data = data[length + 3 & ~3:]
    return found


def number(data):
    """An unsigned integer of whatever length the kernel chose."""
    return int.from_bytes(data, sys.byteorder)


class Netlink:
    """A socket for generic netlink, in this network namespace."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.settimeout(10)
        self.sequence = 0

    def close(self):
        self.sock.close()

    def ask(self, family, command, flags, *wanted):
        """The attributes of each message of the answer. An error is an OSError."""
        self.sequence += 1
        body = GENERIC.pack(command, 1, 0) + b"".join(wanted)
        self.sock.send(HEADER.pack(HEADER.size + len(body), family, NLM_F_REQUEST | flags,
                                   self.sequence, 0) + body)
        answers = []
        while True:
            data = self.sock.recv(1 << 17)
            while data:
                length, kind, _, sequence, _ = HEADER.unpack_from(data)
                body, data = data[HEADER.size:length], data[length + 3 & ~3:]
                if sequence != self.sequence:
                    continue
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    error = struct.unpack_from("=i", body)[0]
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return answers
                answers.append(attributes(body[GENERIC.size:]))

    def family(self, name):
        answers = self.ask(CONTROL, GETFAMILY, NLM_F_ACK,
                           attribute(FAMILY_NAME, name.encode() + b"\0"))
        return number(answers[0][FAMILY_ID])


class NetdevFamily:
    """What the family "netdev" has about one interface, by name of the statistic and
    the like; what is not in the list that a kernel gives is not in these either."""

    QSTATS = {8: "rx-packets", 9: "rx-bytes", 10: "tx-packets", 11: "tx-bytes",
              12: "rx-alloc-fail", 13: "rx-hw-drops", 24: "tx-hw-drops",
              33: "tx-stop", 34: "tx-wake"}

    def __init__(self, name):
        self.netlink = Netlink()
        self.netdev = self.netlink.family("netdev")
        self.ifindex = socket.if_nametoindex(name)

    def close(self):
        self.netlink.close()

    def _dump(self, command, kind, *more):
        return self.netlink.ask(self.netdev, command, NLM_F_DUMP, attribute(kind, self.ifindex),
                                *more)

    def queues(self):
        """{(RX or TX, queue): number of its NAPI instance, or None}"""
        return {(number(found[3]), number(found[1])): number(found[4]) if 4 in found else None
                for found in self._dump(QUEUE_GET, 2)}

    def napis(self):
        """{number of a NAPI instance: its interrupt, or None}"""
        return {number(found[2]): number(found[3]) if 3 in found else None
                for found in self._dump(NAPI_GET, 1)}

    def _statistics(self, found):
        return {self.QSTATS.get(kind, kind): number(value)
                for kind, value in found.items() if kind >= 8}

    def statistics(self):
        """Those of the whole interface."""
        [found] = self._dump(QSTATS_GET, 1)
        return self._statistics(found)

    def queue_statistics(self):
        """{(RX or TX, queue): statistics}"""
        return {(number(found[2]), number(found[3])): self._statistics(found)
                for found in self._dump(QSTATS_GET, 1, attribute(4, SCOPE_QUEUE))}
