# SPDX-License-Identifier: GPL-2.0
"""Numbered raw frames from one end of a vif to the other: every one must come,
once, in order, with the bytes it was sent with.

The sender never has more than a window of frames on the way, so nothing has a
reason to drop one, and a frame that is missing was lost by a driver."""
import hashlib
import struct
import time

from netdev import ETHERTYPE

HEADER = struct.Struct("!6s6sHI")  # destination, source, type, number
SMALLEST = 14
WINDOW = 64

_pattern = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(256)) * 9


def frame(number, size, destination, source):
    """The frame of this number, size bytes from the destination address on. The
    filling differs from frame to frame and along each, so that a chunk that is
    lost, doubled, moved or another frame's shows."""
    start = number * 37 % 4093
    data = HEADER.pack(destination, source, ETHERTYPE, number) + \
        _pattern[start:start + max(0, size - HEADER.size)]
    return data[:size]


def transfer(source, target, sizes, window=WINDOW, patience=10):
    """Send a frame of each of the sizes from one Netdev to another. Returns what
    went wrong, in words, or nothing. Frames that are shorter than their number
    needs are told by their order."""
    destination, origin = target.mac, source.mac
    total, sent, received = len(sizes), 0, 0
    with source.socket() as out, target.socket() as into:
        into.settimeout(patience)
        while received < total:
            while sent < total and sent - received < window:
                out.send(frame(sent, sizes[sent], destination, origin))
                sent += 1
            try:
                data = into.recv(1 << 17)
            except TimeoutError:
                return f"frame {received} of {total} ({sizes[received]} bytes) did not come " \
                       f"within {patience} s ({sent} sent)"
            want = frame(received, sizes[received], destination, origin)
            if data != want:
                return f"frame {received}: {difference(data, want)}"
            received += 1
        # Nothing may come after the last.
        into.settimeout(0.05)
        try:
            data = into.recv(1 << 17)
        except TimeoutError:
            return ""
        return f"a frame too many, {len(data)} bytes: {data[:32].hex()}"


def difference(data, want):
    if data[12:14] == want[12:14] and len(data) >= HEADER.size <= len(want):
        got, expected = HEADER.unpack_from(data)[3], HEADER.unpack_from(want)[3]
        if got != expected:
            return f"got number {got}, want {expected}"
    if len(data) != len(want):
        return f"got {len(data)} bytes, want {len(want)}"
    at = next(i for i, (a, b) in enumerate(zip(data, want)) if a != b)
    return f"differs from byte {at} of {len(want)} on: got {data[at:at + 16].hex()}, " \
           f"want {want[at:at + 16].hex()}"


class Pump:
    """Frames one way, as fast as they come, for as long as it is called: traffic
    for tests that do something else meanwhile, and count none."""

    def __init__(self, source, target):
        self.out, self.into = source.socket(), target.socket()
        self.into.setblocking(False)
        self.out.setblocking(False)
        self.data = frame(0, 600, target.mac, source.mac)

    def send(self):
        """Send a few. The interface may go away."""
        try:
            for _ in range(8):
                self.out.send(self.data)
        except OSError:
            pass

    def step(self):
        """Send a few, take what came; how many came."""
        came = 0
        self.send()
        try:
            while self.into.recv(2048):
                came += 1
        except OSError:
            pass
        return came

    def run_until(self, count, seconds):
        """Until that many have come; False at the deadline."""
        end = time.monotonic() + seconds
        while count > 0 and time.monotonic() < end:
            count -= self.step()
        return count <= 0

    def close(self):
        self.out.close()
        self.into.close()


def drained(netdev):
    """Nothing came within a tenth of a second: what had waited is through."""
    with netdev.socket() as sock:
        sock.settimeout(0.1)
        try:
            sock.recv(2048)
            return False
        except TimeoutError:
            return True
