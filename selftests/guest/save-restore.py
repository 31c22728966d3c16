#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 400
"""A guest is saved and restored twice in the middle of a TCP connection, which
goes on; each time it is a new domain with a new vif, and nothing is left of the
old one. A paused guest does not make dom0 keep all that is sent to it."""
import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from guest import DOM0_IP, PORT, Bridge, Guest, xl  # noqa: E402
from netdev import SO_SNDBUFFORCE, run  # noqa: E402
from report import Report, wait_for  # noqa: E402

PHASE = 2_000_000  # bytes of the stream that are read at most until each restore
SIZES = [0, 57, 1472, 1473, 4096, 16384, 65507]

DATAGRAMS, DATAGRAM = 6000, 1400
# What may lie in the ring, in the backend behind it (a megabyte is the most that
# either driver queues), and in the qdisc, which is made one that counts packets.
BOUND = 256 + (1 << 20) // DATAGRAM + 1000


class Reader(threading.Thread):
    """dom0's end of a connection: reads slowly, so that it is always in the
    middle of traffic, and not beyond the limit."""

    def __init__(self, total):
        super().__init__(daemon=True)
        self.server = socket.create_server((DOM0_IP, PORT))
        self.limit = PHASE
        self.total = total
        self.count = 0
        self.problem = "the connection did not end"
        self.digest = hashlib.sha256()

    def run(self):
        try:
            with self.server, self.server.accept()[0] as connection:
                # The guest's nc does not close when its input ends.
                while self.count < self.total:
                    if self.count < self.limit:
                        data = connection.recv(16384)
                        if not data:
                            raise OSError("the guest closed the connection")
                        self.digest.update(data)
                        self.count += len(data)
                    # 16 KiB each 50 ms: the pace, not a wait for anything.
                    time.sleep(0.05)
            self.problem = ""
        except OSError as error:
            self.problem = str(error)

    def grows(self, octets=100_000, seconds=60):
        goal = min(self.count + octets, self.limit)
        return wait_for(seconds, lambda: self.count >= goal)


def save_restore(report, guest, reader, how):
    old, mac = guest.domid, guest.back_read("mac")
    report.need(f"the connection carries data before the guest is saved{how}", reader.grows())
    with tempfile.TemporaryDirectory() as directory:
        state = os.path.join(directory, "state")
        xl("save", guest.name, state, seconds=120)
        why = guest.gone()
        report.check(f"the guest is saved and nothing is left of it{how}", not why, why)
        held = reader.count
        xl("restore", state, seconds=120)
    guest.adopt()
    report.check(f"the guest is another domain{how}", guest.domid != old, guest.domid)
    report.need(f"its vif is Connected{how}", guest.connected(), guest.back_read("state"))
    report.check(f"its vif is on the bridge{how}", Bridge.has(guest.vif()))
    report.equal(f"it has the same MAC address{how}", guest.back_read("mac"), mac)
    report.need(f"the guest answers{how}", guest.answers(seconds=40))
    report.check(f"the connection was not at its end{how}", held < reader.limit, f"{held} bytes")
    reader.limit += PHASE
    report.need(f"the connection goes on{how}", reader.grows(), reader.problem)
    report.need(f"the guest's shell answers{how}", guest.booted())
    wrong = guest.pings(DOM0_IP, SIZES)
    report.check(f"echoes of 0 to 65507 bytes{how}", not wrong, f"failed: {wrong}")
    report.equal(f"the guest has one interface{how}",
                 guest.sh("cd /sys/class/net && echo eth*").strip(), "eth0")


def held_by(sock):
    """Bytes of memory in packets of this socket that nobody has freed yet."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def pause(report, guest):
    run("tc", "qdisc", "replace", "dev", guest.vif().name, "root", "pfifo", "limit", "1000")
    before = guest.counters()[1]
    xl("pause", guest.name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 27)
        sock.connect((guest.ip, 9))
        payload, refused = bytes(DATAGRAM), 0
        for _ in range(DATAGRAMS):
            try:
                sock.send(payload)
            except OSError:  # what the paused guest's kernel said of an earlier one
                refused += 1
        held = held_by(sock)
        # An sk_buff of this size takes less than a page.
        report.check(f"a paused guest ties up no more than {BOUND} of {DATAGRAMS} packets",
                     0 < held <= BOUND * 4096, f"{held} bytes are held, {refused} sends refused")
        xl("unpause", guest.name)
        report.check("the guest answers when it runs again", guest.answers())
        report.check("and dom0 holds none of the packets any more",
                     wait_for(15, lambda: held_by(sock) == 0), f"{held_by(sock)} bytes")
    came = guest.counters()[1] - before
    report.check("some of the packets have come, not more than were held", 0 < came <= BOUND,
                 f"{came} came, {BOUND} may")
    wrong = guest.pings(DOM0_IP, SIZES)
    report.check("echoes of 0 to 65507 bytes after a pause", not wrong, f"failed: {wrong}")


def test(report):
    Bridge(report)
    guest = Guest(report)
    guest.ready()
    pause(report, guest)

    reader = Reader(3 * PHASE)
    sent = guest.make_stream(3 * PHASE)
    guest.sh(f"nc {DOM0_IP} {PORT} < /tmp/stream > /dev/null 2>&1 &")
    reader.start()
    ping = subprocess.Popen(["ping", "-n", "-q", "-i", "0.05", "-s", "2000", guest.ip],
                            stdout=subprocess.DEVNULL)
    report.at_exit(ping.wait)
    report.at_exit(ping.kill)
    save_restore(report, guest, reader, "")
    save_restore(report, guest, reader, ", the second time")
    reader.join(120)
    report.check("the connection ends as it should", not reader.problem,
                 f"{reader.problem}, {reader.count} bytes came")
    report.equal("contents of the connection", reader.digest.hexdigest(), sent)
    xl("destroy", guest.name)
    why = guest.gone()
    report.check("nothing is left of the guest", not why, why)


if __name__ == "__main__":
    Report().run(test)
