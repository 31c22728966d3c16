# SPDX-License-Identifier: GPL-2.0
"""Network interfaces and namespaces without a process for each step."""
import contextlib
import fcntl
import os
import socket
import struct
import subprocess

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
SIOCGIFMTU, SIOCSIFMTU = 0x8921, 0x8922
SIOCGIFHWADDR = 0x8927
IFF_UP = 1
CLONE_NEWNET = 0x40000000

ETHERTYPE = 0x88B5  # IEEE: local experimental use
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33


@contextlib.contextmanager
def namespace(name):
    """Within it this thread is in that network namespace (None: where it is)."""
    if name is None:
        yield
        return
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        os.setns(there, CLONE_NEWNET)
        yield
    finally:
        os.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)


def run(*command, seconds=30):
    """Run a program; its output, or an exception that shows it."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: "
                           f"{done.stdout}{done.stderr}")
    return done.stdout


class Netdev:
    """One interface, in a namespace (None: this one)."""

    def __init__(self, name, netns=None):
        self.name = name
        self.netns = netns

    def _ioctl(self, request, argument):
        with namespace(self.netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            return fcntl.ioctl(sock, request, struct.pack("16s24s", self.name.encode(), argument))

    def up(self, up=True):
        flags = struct.unpack_from("H", self._ioctl(SIOCGIFFLAGS, b""), 16)[0]
        flags = flags | IFF_UP if up else flags & ~IFF_UP
        self._ioctl(SIOCSIFFLAGS, struct.pack("H", flags))

    def down(self):
        self.up(False)

    def quiet(self):
        """No frames of the kernel's own: they would spoil exact counts."""
        with namespace(self.netns):
            with open(f"/proc/sys/net/ipv6/conf/{self.name}/disable_ipv6", "w",
                      encoding="ascii") as file:
                file.write("1")

    def set_address(self, address):
        def sockaddr(text):
            return struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(text))
        self._ioctl(SIOCSIFADDR, sockaddr(address))
        self._ioctl(SIOCSIFNETMASK, sockaddr("255.255.255.0"))

    @property
    def mtu(self):
        return struct.unpack_from("i", self._ioctl(SIOCGIFMTU, b""), 16)[0]

    @mtu.setter
    def mtu(self, mtu):
        self._ioctl(SIOCSIFMTU, struct.pack("i", mtu))

    @property
    def mac(self):
        return self._ioctl(SIOCGIFHWADDR, b"")[18:24]

    def counters(self):
        """(rx_bytes, rx_packets, rx_errs, rx_drop, tx_bytes, tx_packets, tx_errs,
        tx_drop), from /proc, which needs no sysfs of the namespace's own."""
        with namespace(self.netns), open("/proc/thread-self/net/dev", encoding="ascii") as file:
            for line in file:
                name, _, numbers = line.partition(":")
                if name.strip() == self.name:
                    numbers = [int(number) for number in numbers.split()]
                    return numbers[0:4] + numbers[8:12]
        raise FileNotFoundError(self.name)

    def flags(self):
        return struct.unpack_from("H", self._ioctl(SIOCGIFFLAGS, b""), 16)[0]

    def running(self):
        """Up and with a carrier."""
        return self.flags() & 0x41 == 0x41

    def socket(self, protocol=ETHERTYPE, auxdata=False):
        """A packet socket that gets whole frames of this protocol."""
        with namespace(self.netns):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            # A frame counts against its sender until netfront looks for the
            # answer, and netfront may put that off for a second when its own
            # interrupts come for nothing. The window is what paces the sender.
            sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            if auxdata:
                sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            sock.bind((self.name, protocol))
        return sock

    def ethtool(self, *arguments):
        command = ("ethtool", *arguments[:1], self.name, *arguments[1:])
        return run(*(("ip", "netns", "exec", self.netns) if self.netns else ()), *command)
