#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""debugfs: the state of both rings of each queue, a kick for a backend that got no
event, what the control ring set up; there while a frontend is connected, and no
longer."""
import os
import re
import stat
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report, Skip, wait_for  # noqa: E402
from ring_frontend import OKAY, Control, RingFrontend  # noqa: E402
from vif import INIT_WAIT, Vif, read_file, write_file  # noqa: E402

TOP = f"/sys/kernel/debug/{DRIVER}"
FRAME = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(46)
SET_FLAGS, SET_KEY, SET_MAPPING_SIZE, SET_ALGORITHM = 2, 3, 5, 7
TOEPLITZ, SUCCESS = 1, 0
KEY = bytes(range(1, 41))
REQUESTS = re.compile(r"^req prod (\d+) \((-?\d+)\) cons (\d+) \((-?\d+)\) event (\d+)", re.M)
RESPONSES = re.compile(r"^rsp prod (\d+) \(base\) pvt (\d+)", re.M)


def indices(text):
    """(req prod, req cons, rsp prod) of the Tx ring, and of the Rx ring."""
    requests, responses = REQUESTS.findall(text), RESPONSES.findall(text)
    return [(int(request[0]), int(request[2]), int(response[0]))
            for request, response in zip(requests, responses)]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def refusal(path, text):
    """The error number with which a write is refused."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        return os.strerror(error.errno)
    return "none"


def rings(report, vif, path):
    front = RingFrontend(vif)
    memory, gref = front.grants.page()
    memory[:len(FRAME)] = FRAME
    front.post_buffers([(number, front.grants.page()[1]) for number in range(8)])
    front.connect_and_wait()
    vif.need_open()
    ring = f"{path}/io_ring_q0"
    report.need("a file for the queue", wait_for(5, lambda: os.path.exists(ring)), os.listdir(TOP))
    report.equal("its mode", oct(mode(ring)), oct(0o600))
    report.check("none for a control ring that is not there", not os.path.exists(f"{path}/ctrl"))

    front.send_slots([(gref, 0, len(FRAME), 0)] * 3)
    report.equal("three packets are answered", [status for _, status in front.statuses(3)], [OKAY] * 3)
    found = wait_for(5, lambda: indices(read_file(ring)) == [(3, 3, 3), (8, 0, 0)])
    report.check("indices of both rings", found, read_file(ring))

    # Not told: the backend asked for an event for the fourth.
    front.tx.post(struct.pack("<IHHHH", gref, 0, 0, 77, len(FRAME)))
    front.tx.publish()
    report.equal("a request without an event is seen", indices(read_file(ring))[0], (4, 3, 3))
    write_file(ring, "kick")
    report.equal("a kick has it served", front.statuses(1), [(77, OKAY)])
    front.tx.post(struct.pack("<IHHHH", gref, 0, 0, 78, len(FRAME)))
    front.tx.publish()
    write_file(ring, "kick\n")
    report.equal("one with a newline too", front.statuses(1), [(78, OKAY)])
    for text in ("kic", "stop"):
        report.equal(f"'{text}' is refused", refusal(ring, text), os.strerror(22))
    for text in ("kicks", "kick" * 7):
        report.c_fails("takes what begins with the word")
        report.equal(f"'{text}' is refused", refusal(ring, text), os.strerror(22))
    report.equal("32 bytes are refused", refusal(ring, "x" * 32), os.strerror(28))
    return front


def control(report, vif, path):
    front = RingFrontend(vif, queues=2)
    ring = Control(front)
    for queue in front.queues:
        queue.post_buffers([(number, front.grants.page()[1]) for number in range(8)])
    front.connect_and_wait(**ring.keys())
    vif.back.up()
    report.need("carrier", wait_for(10, vif.back.running))
    report.equal("files for two queues and the control ring", sorted(os.listdir(path)),
                 ["ctrl", "io_ring_q0", "io_ring_q1"])
    report.equal("the latter's mode", oct(mode(f"{path}/ctrl")), oct(0o400))
    report.check("nothing is set up", "NONE" in read_file(f"{path}/ctrl"), read_file(f"{path}/ctrl"))
    memory, gref = front.grants.page()
    memory[:len(KEY)] = KEY
    for kind, *data in ((SET_ALGORITHM, TOEPLITZ), (SET_FLAGS, 3), (SET_KEY, gref, len(KEY)),
                        (SET_MAPPING_SIZE, 5)):
        report.equal(f"request {kind}", ring.ask(kind, *data), (SUCCESS, 0))
    text = read_file(f"{path}/ctrl")
    report.check("the algorithm", "TOEPLITZ" in text, text)
    report.check("the kinds of hash", "IPv4" in text and "IPv6" not in text, text)
    report.check("the key", KEY[:8].hex(" ") in text and KEY[-8:].hex(" ") in text, text)
    report.check("the mapping", "Hash Mapping" in text and "[   0 -    4]" in text, text)
    return front


def end(report, vif, front, path):
    report.need("the frontend can close", front.withdraw())
    report.check("the files are gone", wait_for(5, lambda: not os.path.exists(path)), path)
    front.start_again()
    vif.need_back(INIT_WAIT)


def readers(report, vif, path):
    """Read all there is, all the time, while frontends come and go."""
    stop, counts = threading.Event(), [0]

    def read():
        while not stop.is_set():
            for name in ("io_ring_q0", "io_ring_q1", "ctrl"):
                try:
                    with open(f"{path}/{name}", encoding="ascii") as file:
                        counts[0] += len(file.read()) > 0
                except OSError:
                    pass  # not there, or gone while it was open
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        for _ in range(10):
            front = RingFrontend(vif, queues=2)
            front.connect_and_wait(**Control(front).keys())
            before = counts[0]
            report.need("readers read", wait_for(10, lambda: counts[0] > before + 3))
            front.leave()
    finally:
        stop.set()
        thread.join(10)
    report.check("the reader ends", not thread.is_alive())


def open_file(report, vif, path):
    if DRIVER == "xen-netback":
        return  # shows freed memory's last state or waits, as the kernel's debugfs decides
    front = RingFrontend(vif)
    front.connect_and_wait()
    with open(f"{path}/io_ring_q0", encoding="ascii") as file:
        end(report, vif, front, path)
        try:
            problem = f"read {file.read()!r}"
        except OSError as error:
            problem = "" if error.errno == 5 else str(error)
    report.check("who still has a file open gets EIO", not problem, problem)


def test(report):
    if not os.path.isdir("/sys/kernel/debug") or not os.listdir("/sys/kernel/debug"):
        raise Skip("no debugfs in /sys/kernel/debug")
    report.need("the driver's directory", os.path.isdir(TOP), os.listdir("/sys/kernel/debug"))
    vif = Vif(report)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    path = f"{TOP}/{vif.back.name}"
    end(report, vif, rings(report, vif, path), path)
    end(report, vif, control(report, vif, path), path)
    readers(report, vif, path)
    open_file(report, vif, path)
    problem = vif.detach()
    report.need("detach", not problem, problem)
    report.equal("nothing is left in the driver's directory", os.listdir(TOP), [])


if __name__ == "__main__":
    Report().run(test)
