# SPDX-License-Identifier: GPL-2.0
"""A client of xenstored: its wire protocol (xen/include/public/io/xs_wire.h)
over the local socket, or over the kernel's device where xenstored is another
domain. A process for every key would take most of a test's time."""
import os
import select
import socket
import struct
import threading
import time

HEADER = struct.Struct("<IIII")  # type, request id, transaction id, length

XS_DIRECTORY, XS_READ, XS_WATCH, XS_UNWATCH = 1, 2, 4, 5
XS_TRANSACTION_START, XS_TRANSACTION_END = 6, 7
XS_WRITE, XS_RM = 11, 13
XS_WATCH_EVENT, XS_ERROR = 15, 16

SOCKET = "/run/xenstored/socket"
DEVICE = "/dev/xen/xenbus"


class XenstoreError(OSError):
    """xenstored said no; str() is the name of the error: ENOENT, EACCES, ..."""


class Xenstore:
    """One connection. Requests are answered in order; watch events that come in
    between are kept for wait_event()."""

    def __init__(self):
        if os.path.exists(SOCKET):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(SOCKET)
            self.fd = connection.detach()
        else:
            self.fd = os.open(DEVICE, os.O_RDWR)
        self.lock = threading.Lock()
        self.events = []

    def _read_exactly(self, count):
        data = b""
        while len(data) < count:
            chunk = os.read(self.fd, count - len(data))
            if not chunk:
                raise ConnectionError("xenstored closed the connection")
            data += chunk
        return data

    def _read_message(self):
        kind, _, _, length = HEADER.unpack(self._read_exactly(HEADER.size))
        return kind, self._read_exactly(length)

    def _request(self, kind, payload, transaction=0):
        with self.lock:
            os.write(self.fd, HEADER.pack(kind, 0, transaction, len(payload)) + payload)
            while True:
                answer, data = self._read_message()
                if answer == XS_WATCH_EVENT:
                    self.events.append(data.split(b"\0")[0].decode())
                elif answer == XS_ERROR:
                    raise XenstoreError(data.rstrip(b"\0").decode())
                else:
                    return data

    def read(self, path):
        """The value, or None if there is no such node."""
        try:
            return self._request(XS_READ, path.encode() + b"\0").decode()
        except XenstoreError as error:
            if str(error) == "ENOENT":
                return None
            raise

    def write(self, path, value, transaction=0):
        self._request(XS_WRITE, path.encode() + b"\0" + str(value).encode(), transaction)

    def write_all(self, nodes):
        """All of a dictionary in one transaction, so that nobody sees a part."""
        while True:
            transaction = int(self._request(XS_TRANSACTION_START, b"\0").rstrip(b"\0"))
            for path, value in nodes.items():
                self.write(path, value, transaction)
            try:
                self._request(XS_TRANSACTION_END, b"T\0", transaction)
                return
            except XenstoreError as error:
                if str(error) != "EAGAIN":
                    raise

    def list(self, path):
        try:
            return [name.decode() for name in
                    self._request(XS_DIRECTORY, path.encode() + b"\0").split(b"\0") if name]
        except XenstoreError as error:
            if str(error) == "ENOENT":
                return []
            raise

    def remove(self, path, tidy=False):
        """A node and all below it; tidy: and the parents that are then empty."""
        while True:
            try:
                self._request(XS_RM, path.encode() + b"\0")
            except XenstoreError as error:
                if str(error) != "ENOENT":
                    raise
            path = os.path.dirname(path)
            if not tidy or path.count("/") < 5 or self.list(path):
                return

    def watch(self, path):
        self._request(XS_WATCH, path.encode() + b"\0token\0")

    def wait_event(self, seconds):
        """The path of the next watch event, or None at the deadline."""
        end = time.monotonic() + seconds
        with self.lock:
            while not self.events:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                    return None
                kind, data = self._read_message()
                if kind == XS_WATCH_EVENT:
                    self.events.append(data.split(b"\0")[0].decode())
            return self.events.pop(0)
