#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a guest can make the host do at once is bounded: each request counts as work
of a poll, and after a frontend is cut off, nothing works for it any more."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from report import Report, wait_for  # noqa: E402
from ring_frontend import EXTRA_INFO, OKAY, NULL, RingFrontend  # noqa: E402
from tracing import Tracing  # noqa: E402
from vif import INIT_WAIT, Vif, load_driver  # noqa: E402

BUDGET = 64
ADD = 2


class Polls(Tracing):
    def __init__(self, report, vif):
        super().__init__(report, "napi/napi_poll")
        self.pattern = re.compile(rf"for device {re.escape(vif.back.name)} work (\d+) budget \d+")

    def work(self):
        """What each poll of the vif did since the last call."""
        return [int(work) for work in self.pattern.findall(self.take())]


def multicast_requests(vif, polls):
    report = vif.report
    front = RingFrontend(vif)
    _, gref = front.grants.page()
    front.connect_and_wait()
    vif.need_open()
    front.send_slots([(gref, 0, 0, EXTRA_INFO), bytes([ADD, 0]) + b"\x01\x00\x5e\x00\x00\x01"])
    report.equal("a request is answered", front.statuses(2)[1], (0, NULL))
    polls.work()
    front.send_slots([slot for number in range(120) for slot in (
        (gref, 0, 0, EXTRA_INFO), bytes([ADD, 0]) + b"\x01\x00\x5e\x00\x00" + bytes([number % 50]))])
    statuses = [status for _, status in front.statuses(240)]
    report.c_fails("lists a group as often as it is added, 64 times in all")
    report.equal("120 of them are answered", statuses, [OKAY, NULL] * 120)
    work = polls.work()
    report.c_fails("does not count requests for the multicast filter")
    report.check("in polls of the usual size", len([done for done in work if done]) >= 3 and
                 sum(work) >= 200 and max(work) <= BUDGET, work)
    front.leave()


def threads_ticks(vif):
    """The time that kernel threads named after the vif have run, in ticks."""
    ticks = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8") as file:
                stat = file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if stat.partition("(")[2].startswith(vif.back.name):
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks


def after_a_lie(vif, polls):
    report = vif.report
    front = RingFrontend(vif, queues=2)
    _, gref = front.grants.page()
    front.connect_and_wait()
    vif.need_open("two queues: carrier")
    front.queues[0].tx.publish(1000)
    front.queues[0].notify()
    report.need("a lie on queue 0: no carrier", wait_for(10, lambda: not vif.back.running()))
    polls.work()
    for _ in range(1000):
        front.queues[1].send_slots([(gref, 0, 60, 0)] if front.queues[1].tx.req_prod < 200 else [])
    before = threads_ticks(vif)
    # A second in which nothing may happen.
    wait_for(1, lambda: False)
    ran = threads_ticks(vif) - before
    report.check("1000 events on queue 1: nothing runs for it", ran < 10, f"{ran} ticks")
    work = polls.work()
    report.check("nor is it polled, once it is", len(work) <= 4, work)
    report.equal("nor answered", front.queues[1].tx.rsp_prod, 0)


def test(report):
    report.at_exit(load_driver)
    load_driver("max_queues=2")
    vif = Vif(report)
    vif.attach(netfront=False)
    wait_for(10, lambda: vif.back_state() == INIT_WAIT)
    polls = Polls(report, vif)
    multicast_requests(vif, polls)
    after_a_lie(vif, polls)


if __name__ == "__main__":
    Report().run(test)
