# SPDX-License-Identifier: GPL-2.0
"""A frontend that only shakes hands: it grants empty rings, allocates an event
channel and writes keys, right or wrong ones. It sends and takes nothing."""
import fcntl
import mmap
import os
import struct

from vif import CLOSED, CONNECTED, INITIALISING

# _IOC(_IOC_NONE, 'G', 5, size) and _IOC(_IOC_NONE, 'E', 2, size)
GNTALLOC_ALLOC = 0x4705
EVTCHN_BIND_UNBOUND = 0x4502
PAGE = 4096


def _ioc(number, size):
    return size << 16 | number


class Ring:
    """A page granted to the backend's domain, with a ring's first indices."""

    def __init__(self, domid):
        self.file = os.open("/dev/xen/gntalloc", os.O_RDWR)
        request = bytearray(struct.pack("=HHIQI4x", domid, 1, 1, 0, 0))
        fcntl.ioctl(self.file, _ioc(GNTALLOC_ALLOC, 24), request)
        _, _, _, index, self.reference = struct.unpack("=HHIQI4x", request)
        self.page = mmap.mmap(self.file, PAGE, offset=index)
        # req_prod, req_event, rsp_prod, rsp_event
        self.page[0:16] = struct.pack("=IIII", 0, 1, 0, 1)

    def close(self):
        self.page.close()
        os.close(self.file)


class HandFront:
    """The frontend's end of a Vif that was attached with netfront=False."""

    def __init__(self, vif):
        self.vif = vif
        self.written = []
        domid = int(vif.domid)
        self.tx, self.rx = Ring(domid), Ring(domid)
        self.events = os.open("/dev/xen/evtchn", os.O_RDWR)
        # The port is what the ioctl returns.
        self.port = fcntl.ioctl(self.events, _ioc(EVTCHN_BIND_UNBOUND, 4),
                                bytearray(struct.pack("=I", domid)))
        vif.report.at_exit(self.close)

    def honest(self):
        """The keys of a frontend without any optional feature."""
        return {"tx-ring-ref": self.tx.reference, "rx-ring-ref": self.rx.reference,
                "event-channel": self.port, "request-rx-copy": 1, "feature-rx-notify": 1}

    def connect(self, **changes):
        """Write the honest keys with these changes (None: left out; "_" is "-")
        and say Connected."""
        keys = self.honest()
        keys |= {name.replace("_", "-"): value for name, value in changes.items()}
        self.written = [name for name, value in keys.items() if value is not None]
        self.vif.store.write_all({f"{self.vif.front_path}/{name}": keys[name]
                                  for name in self.written} |
                                 {f"{self.vif.front_path}/state": CONNECTED})

    def withdraw(self):
        """Closed, keys gone and rings fresh: as a frontend that is loaded anew."""
        self.vif.front_write("state", CLOSED)
        closed = self.vif.wait_back(CLOSED)
        for name in self.written:
            self.vif.store.remove(f"{self.vif.front_path}/{name}")
        for ring in (self.tx, self.rx):
            ring.page[0:16] = struct.pack("=IIII", 0, 1, 0, 1)
        return closed

    def start_again(self):
        self.vif.front_write("state", INITIALISING)

    def close(self):
        self.tx.close()
        self.rx.close()
        os.close(self.events)
