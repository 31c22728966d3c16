# SPDX-License-Identifier: GPL-2.0
"""A frontend that is this program: its rings in pages that /dev/xen/gntalloc
grants to the backend, its event channel from /dev/xen/evtchn. It puts on the
rings whatever a test wants, honest or not."""
import fcntl
import mmap
import os
import select
import struct

from netdev import run
from report import wait_for
from vif import CLOSED, CONNECTED, INIT_WAIT, INITIALISING, STATE_NAMES, write_file

RING_SIZE = 256
PAGE = 4096
FIRST_ENTRY = 64
TX_ENTRY, RX_ENTRY, CONTROL_ENTRY = 12, 8, 16
CONTROL_RING_SIZE = 128

MORE_DATA, EXTRA_INFO, CSUM_BLANK, DATA_VALIDATED = 4, 8, 1, 2
OKAY, NULL, ERROR = 0, 1, -1

# linux/include/uapi/xen/{gntalloc,evtchn}.h: _IOC(_IOC_NONE, type, number, size)
ALLOC_GREF = ord("G") << 8 | 5 | 24 << 16
BIND_UNBOUND_PORT = ord("E") << 8 | 2 | 4 << 16
NOTIFY = ord("E") << 8 | 4 | 4 << 16


class Grants:
    """Pages that a domain may access."""

    def __init__(self, domid):
        self.domid = domid
        self.fd = os.open("/dev/xen/gntalloc", os.O_RDWR)

    def page(self):
        """A writable page: (memory, grant reference)."""
        request = bytearray(struct.pack("<HHIQII", self.domid, 1, 1, 0, 0, 0))
        fcntl.ioctl(self.fd, ALLOC_GREF, request)
        index, gref = struct.unpack_from("<QI", request, 8)
        return mmap.mmap(self.fd, PAGE, offset=index), gref

    def close(self):
        os.close(self.fd)


class Ring:
    """The frontend's side of one shared ring."""

    def __init__(self, grants, entry, start, size=RING_SIZE):
        self.memory, self.gref = grants.page()
        # An index is one word to its reader: struct would clear it first, and fill
        # it in byte by byte.
        self.words = memoryview(self.memory).cast("I")
        self.entry = entry
        self.size = size
        self.start = start
        self.reset()

    def reset(self):
        """An empty ring whose indices begin at "start"; at 0 with SHARED_RING_INIT()."""
        self.memory[:PAGE] = bytes(PAGE)
        self.req_prod = self.rsp_cons = self.start
        self._store(0, self.start)
        self._store(8, self.start)
        # Ask for an event at the first response.
        self._store(4, self.start + 1)
        self._store(12, self.start + 1)

    def _store(self, offset, value):
        self.words[offset // 4] = value & 0xffffffff

    def _load(self, offset):
        return self.words[offset // 4]

    def post(self, entry):
        """Put an entry on the ring; publish() lets the backend see it."""
        at = FIRST_ENTRY + self.req_prod % self.size * self.entry
        self.memory[at:at + len(entry)] = entry
        self.req_prod = (self.req_prod + 1) & 0xffffffff

    def publish(self, req_prod=None):
        self._store(0, self.req_prod if req_prod is None else req_prod)

    @property
    def rsp_prod(self):
        return self._load(8)

    def responses(self, count, seconds=10):
        """The next COUNT responses, raw, or fewer at the deadline."""
        wait_for(seconds, lambda: (self.rsp_prod - self.rsp_cons) & 0xffffffff >= count)
        found = []
        while self.rsp_cons != self.rsp_prod and len(found) < count:
            at = FIRST_ENTRY + self.rsp_cons % self.size * self.entry
            found.append(bytes(self.memory[at:at + self.entry]))
            self.rsp_cons = (self.rsp_cons + 1) & 0xffffffff
        self._store(12, self.rsp_cons + 1)
        return found


class Queue:
    """One pair of rings and its event channel."""

    def __init__(self, grants, evtchn, domid, start):
        self.evtchn = evtchn
        self.tx = Ring(grants, TX_ENTRY, start)
        self.rx = Ring(grants, RX_ENTRY, start)
        self.port = fcntl.ioctl(evtchn, BIND_UNBOUND_PORT, bytearray(struct.pack("<I", domid)))

    def keys(self):
        return {"tx-ring-ref": self.tx.gref, "rx-ring-ref": self.rx.gref,
                "event-channel": self.port}

    def notify(self):
        fcntl.ioctl(self.evtchn, NOTIFY, struct.pack("<I", self.port))

    # --- transmit ---

    def send_slots(self, slots, ids=None):
        """Post (gref, offset, size, flags) as requests, or 8 bytes as an extra
        info; returns the ids used."""
        used = []
        for number, slot in enumerate(slots):
            if isinstance(slot, bytes):
                self.tx.post(slot)
                used.append(None)
                continue
            gref, offset, size, flags = slot
            ident = ids[number] if ids else self.tx.req_prod % RING_SIZE
            self.tx.post(struct.pack("<IHHHH", gref, offset, flags, ident, size))
            used.append(ident)
        self.tx.publish()
        self.notify()
        return used

    def statuses(self, count):
        """(id, status) of the next COUNT responses on the transmit ring; the id of
        one to an extra info, which has none, is 0."""
        answers = [struct.unpack_from("<Hh", response) for response in self.tx.responses(count)]
        return [(0 if status == NULL else ident, status) for ident, status in answers]

    # --- receive ---

    def post_buffers(self, buffers):
        """Post (id, gref) for the backend to fill."""
        for ident, gref in buffers:
            self.rx.post(struct.pack("<HHI", ident, 0, gref))
        self.rx.publish()
        self.notify()

    def received(self, count, seconds=10):
        """(id, offset, flags, status) of the next COUNT buffers."""
        return [struct.unpack("<HHHh", response) for response in self.rx.responses(count, seconds)]


class Control:
    """A control ring and its event channel."""

    def __init__(self, front):
        self.evtchn = front.evtchn
        self.ring = Ring(front.grants, CONTROL_ENTRY, 0, CONTROL_RING_SIZE)
        domid = int(front.vif.domid)
        self.port = fcntl.ioctl(self.evtchn, BIND_UNBOUND_PORT,
                                bytearray(struct.pack("<I", domid)))

    def keys(self):
        return {"ctrl-ring-ref": self.ring.gref, "event-channel-ctrl": self.port}

    def notify(self):
        fcntl.ioctl(self.evtchn, NOTIFY, struct.pack("<I", self.port))

    def post(self, ident, kind, *data):
        self.ring.post(struct.pack("<HHIII", ident, kind, *data, *[0] * (3 - len(data))))

    def answers(self, count, seconds=10):
        """(id, type, status, data) of the next COUNT responses."""
        return [struct.unpack_from("<HHII", answer)
                for answer in self.ring.responses(count, seconds)]

    def ask(self, kind, *data):
        """Make a request; (status, data), or what came instead of an answer to it."""
        ident = self.ring.req_prod * 7 & 0xffff
        self.post(ident, kind, *data)
        self.ring.publish()
        self.notify()
        answers = self.answers(1)
        if len(answers) == 1 and answers[0][:2] == (ident, kind):
            return answers[0][2:]
        return answers


class RingFrontend(Queue):
    """Plays the frontend of a vif that was attached with netfront=False. It is its
    own first queue; "queues" has them all. Its rings' indices begin at "start"."""

    def __init__(self, vif, start=0, queues=1):
        self.vif = vif
        self.written = []
        run("modprobe", "-a", "xen-gntalloc", "xen-evtchn")
        # Pages, of all programs: 1024 otherwise.
        write_file("/sys/module/xen_gntalloc/parameters/limit", "8192")
        domid = int(vif.domid)
        self.grants = Grants(domid)
        evtchn = os.open("/dev/xen/evtchn", os.O_RDWR)
        vif.report.at_exit(self.close)
        super().__init__(self.grants, evtchn, domid, start)
        self.queues = [self] + [Queue(self.grants, evtchn, domid, start)
                                for _ in range(1, queues)]

    def close(self):
        os.close(self.evtchn)
        self.grants.close()

    def honest(self):
        """The keys of a frontend without any optional feature."""
        keys = {"request-rx-copy": 1, "feature-rx-notify": 1}
        if len(self.queues) == 1:
            return keys | self.keys()
        keys["multi-queue-num-queues"] = len(self.queues)
        for number, queue in enumerate(self.queues):
            keys |= {f"queue-{number}/{name}": value for name, value in queue.keys().items()}
        return keys

    def connect(self, **changes):
        """Write the honest keys with these changes (None: left out; "_" is "-")
        and say Connected."""
        keys = self.honest()
        keys |= {name.replace("_", "-"): value for name, value in changes.items()}
        self.written = [name for name, value in keys.items() if value is not None]
        self.vif.store.write_all({f"{self.vif.front_path}/{name}": keys[name]
                                  for name in self.written} |
                                 {f"{self.vif.front_path}/state": CONNECTED})

    def connect_and_wait(self, **changes):
        self.connect(**({"feature_sg": 1} | changes))
        self.vif.need_back(CONNECTED, "the backend connects to this program")

    def withdraw(self):
        """Closed, keys gone and rings fresh: as a frontend that is loaded anew."""
        self.vif.front_write("state", CLOSED)
        closed = self.vif.wait_back(CLOSED)
        for name in self.written:
            # A queue's with its directory.
            self.vif.store.remove(f"{self.vif.front_path}/{name.partition('/')[0]}")
        for queue in self.queues:
            queue.tx.reset()
            queue.rx.reset()
        return closed

    def start_again(self):
        self.vif.front_write("state", INITIALISING)

    def leave(self, what=""):
        """Make way for another frontend, for which the backend waits then."""
        self.vif.report.need(f"{what}the frontend can close", self.withdraw(),
                             f"the backend is {STATE_NAMES[self.vif.back_state()]}")
        self.start_again()
        self.vif.need_back(INIT_WAIT)

    def wait_event(self, seconds=10):
        """Has the backend sent an event? It is acknowledged."""
        if not select.select([self.evtchn], [], [], seconds)[0]:
            return False
        os.write(self.evtchn, os.read(self.evtchn, 4))
        return True
