#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 600
"""Eight guests on one bridge. They are made paused and then run together, so that
all connect at about the same time; dom0 talks with all of them at once, each
talks with its neighbour, and all are destroyed together."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from guest import Bridge, Guest, event_channels, together, xl  # noqa: E402
from ipcheck import ping_sizes  # noqa: E402
from report import Report, note, wait_for  # noqa: E402

GUESTS = 8
SIZES = [0, 57, 1472, 1473, 4096, 16384, 65507]
OCTETS = 500_000


def start(report):
    guests = [Guest(report, number + 1) for number in range(GUESTS)]
    begun = time.monotonic()
    for guest in guests:
        guest.create("-p")
    note(f"made after {time.monotonic() - begun:.0f} s")
    for guest in guests:
        xl("unpause", guest.name)
    # A console does not wait for another: what takes long is the guests' boot.
    booted = together(lambda guest: guest.booted(240), guests)
    note(f"booted after {time.monotonic() - begun:.0f} s")
    report.need(f"{GUESTS} guests boot together", all(booted), booted)
    together(Guest.net_up, guests)
    report.need("all vifs are Connected", all(guest.connected() for guest in guests),
                [guest.back_read("state") for guest in guests])
    report.need("all answer", all(guest.answers() for guest in guests))
    return guests


def test(report):
    channels = event_channels()
    Bridge(report)
    guests = start(report)

    failures = together(lambda guest: ping_sizes(None, guest.ip, SIZES), guests)
    report.check("dom0 pings all at once with 0 to 65507 bytes", not any(failures), failures)

    neighbours = dict(zip(guests, guests[1:] + guests[:1]))
    # A qdisc may drop a fragment for a guest that waits for a CPU: three echoes, one has to come.
    failures = together(lambda guest: guest.pings(neighbours[guest].ip, SIZES, "-c 3 -i 0.2"), guests)
    report.check("each pings its neighbour at the same time", not any(failures), failures)

    together(Guest.receive_stream, guests)
    sent = together(lambda guest: guest.make_stream(OCTETS), guests)
    together(lambda guest: guest.send_stream(neighbours[guest].ip, seconds=120), guests)
    received = together(lambda guest: neighbours[guest].received_hash(), guests)
    report.equal("each sends TCP to its neighbour at the same time, contents compared", received, sent)

    for guest in guests:
        guest.sh(f"ping -n -q -f -s 1000 {neighbours[guest].ip} > /dev/null 2>&1 &")
    report.check("all send", all(grows(guest) for guest in guests))
    together(lambda guest: xl("destroy", guest.name, seconds=120), guests)
    left = [guest.gone() for guest in guests]
    report.check("all are destroyed together under load, and nothing is left", not any(left), left)
    report.check("dom0 has as many event channels as before",
                 wait_for(10, lambda: event_channels() == channels),
                 f"{channels} before, {event_channels()} now")


def grows(guest):
    first = guest.vif().counters()[1]
    return wait_for(20, lambda: guest.vif().counters()[1] > first + 20)


if __name__ == "__main__":
    Report().run(test)
