#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 240
"""The toolstack's rate limit: exact, smooth, of the card and not of each queue,
with intervals of any length, changed while it is applied."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import Report, wait_for  # noqa: E402
from ring_frontend import RING_SIZE, RingFrontend  # noqa: E402
from vif import INIT_WAIT, Vif  # noqa: E402

SIZE = 1514
RATE = 2_000_000


class Flood:
    """A frontend that has as many packets on each of its rings as fit, always."""

    def __init__(self, vif, queues):
        self.vif, self.report = vif, vif.report
        self.front = RingFrontend(vif, queues=queues)
        memory, self.gref = self.front.grants.page()
        memory[:SIZE] = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(SIZE - 14)
        for queue in self.front.queues:  # for a carrier with the C driver
            queue.post_buffers([(ident, self.front.grants.page()[1]) for ident in range(8)])
        self.front.connect_and_wait()
        vif.need_open()
        self.posted = 0

    def fill(self):
        for queue in self.front.queues:
            done = (queue.tx.rsp_prod - queue.tx.rsp_cons) & 0xffffffff
            if done:
                queue.statuses(done)
            room = RING_SIZE - ((queue.tx.req_prod - queue.tx.rsp_cons) & 0xffffffff)
            if room > RING_SIZE // 4:
                queue.send_slots([(self.gref, 0, SIZE, 0)] * room)

    def measure(self, seconds):
        """Send for so long; bytes a second that arrived, and the longest gap."""
        def bytes_now():
            return self.vif.back.counters()[1] * SIZE
        last, last_time = bytes_now(), time.monotonic()
        begun, start, gap = last_time, last, 0
        while True:
            self.fill()
            now, arrived = time.monotonic(), bytes_now()
            if arrived != last:
                if last != start:
                    gap = max(gap, now - last_time)
                last, last_time = arrived, now
            if now - begun >= seconds:
                return (arrived - start) / (now - begun), gap
            time.sleep(0.001)

    def settle(self):
        """What was sent before a limit was applied, or ahead of it, is through."""
        self.measure(0.5)

    def end(self):
        self.front.leave()


TRIES = 3  # a machine that is busy with something else starves the sender now and then


def tried(measure, good):
    """What was measured: once, and again as long as it is not good."""
    found = [measure()]
    while len(found) < TRIES and not good(found[-1]):
        found.append(measure())
    return good(found[-1]), found


def check_rate(report, flood, name, seconds, limit, wanted=RATE):
    """Bytes a second, over so many seconds, are off by less than the limit."""
    good, rates = tried(lambda: flood.measure(seconds)[0], lambda rate: abs(rate / wanted - 1) < limit)
    report.check(f"{name}, within {limit:.0%} over {seconds} s", good,
                 f"{', '.join(f'{rate:.0f}' for rate in rates)} B/s, want {wanted}")


def test(report):
    vif = Vif(report)
    vif.attach(back={"rate": f"{RATE // 20},50000"}, netfront=False)
    wait_for(10, lambda: vif.back_state() == INIT_WAIT)

    flood = Flood(vif, 1)
    flood.settle()
    check_rate(report, flood, "the rate", 10, 0.02)
    good, gaps = tried(lambda: flood.measure(2)[1], lambda gap: gap < 0.04)
    report.c_fails("refills once in each interval")
    report.check("smooth: no gap as long as the toolstack's interval", good,
                 f"{', '.join(f'{gap * 1000:.0f}' for gap in gaps)} ms")

    for interval in (1000, 500):
        vif.back_write("rate", f"{RATE * interval // 1_000_000},{interval}")
        flood.settle()
        report.c_fails("counts in ticks: of 4 ms, and no limit below 1 ms")
        check_rate(report, flood, f"in intervals of {interval} us", 3, 0.03)

    vif.back_write("rate", f"{RATE // 40},50000")
    flood.settle()
    check_rate(report, flood, "half the rate while it is applied", 3, 0.03, RATE // 2)

    vif.back_write("rate", "1,1000000")
    flood.settle()
    rate, _ = flood.measure(1)
    report.check("next to nothing", rate < SIZE * 2 + 1, f"{rate:.0f} B/s")
    for value in ("", "0,0", "abc", "5", "5,", "1,2,3"):
        vif.back_write("rate", value)
        report.check(f"rate = '{value}' is no limit", wait_for(10, lambda: flood.measure(0.3)[0] > 2 * RATE))
    vif.back_write("rate", f"{RATE // 20},50000")
    flood.settle()
    vif.store.remove(f"{vif.back_path}/rate")
    report.check("without the key there is no limit",
                 wait_for(10, lambda: flood.measure(0.3)[0] > 2 * RATE))
    flood.end()

    vif.back_write("rate", f"{RATE // 20},50000")
    if int(vif.back_read("multi-queue-max-queues")) < 2:
        return
    flood = Flood(vif, 2)
    flood.settle()
    report.c_fails("limits each queue")
    check_rate(report, flood, "two queues share it", 3, 0.03)
    flood.end()


if __name__ == "__main__":
    Report().run(test)
