#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
"""Two guests on the bridge: every frame comes from one and goes to the other.
Echoes, TCP with contents compared, also with a large MTU; what the guests have
counted is what dom0 has counted; one is destroyed in the middle of traffic."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from guest import DOM0_IP, PORT, Bridge, Guest, together, xl  # noqa: E402
from report import Report, wait_for  # noqa: E402

SIZES = [0, 1, 55, 56, 57, 85, 86, 127, 128, 129, 1471, 1472, 1473, 2952, 4053, 4054, 4068, 4096,
         8192, 16384, 32768, 65507]
OCTETS = 2_000_000
LARGE = 9000
ETH_HLEN = 14


def traffic(report, first, second, how):
    wrong = first.pings(second.ip, SIZES)
    report.check(f"echoes of 0 to 65507 bytes{how}", not wrong, f"failed: {wrong}")
    for source, target in ((first, second), (second, first)):
        why = source.stream_to(target, OCTETS)
        report.check(f"TCP from {source.name} to {target.name}, contents compared{how}", not why, why)


def compare_counters(report, guest, before, after):
    """Between two looks: the frames that the guest has sent are those that dom0
    has taken from it, and the other way round; netfront leaves the Ethernet
    header out of the bytes that it has received."""
    (there, here), (there_now, here_now) = before, after
    rx_bytes, rx_packets, tx_bytes, tx_packets = [b - a for a, b in zip(there, there_now)]
    grown = [b - a for a, b in zip(here, here_now)]
    report.equal(f"{guest.name}: frames sent there = received in dom0", grown[1], tx_packets)
    report.equal(f"{guest.name}: frames received there = sent in dom0", grown[5], rx_packets)
    report.c_fails("it counts after the Ethernet header is taken off")
    report.equal(f"{guest.name}: bytes sent there = received in dom0", grown[0], tx_bytes)
    report.equal(f"{guest.name}: bytes received there = sent in dom0",
                 grown[4], rx_bytes + ETH_HLEN * rx_packets)
    report.equal(f"{guest.name}: no errors, no drops", grown[2:4] + grown[6:8], [0, 0, 0, 0])


def look(guest):
    return guest.counters(), guest.vif().counters()


def large_mtu(report, guests):
    for guest in guests:
        guest.vif().mtu = LARGE
        guest.sh(f"ip link set eth0 mtu {LARGE}")
    first, second = guests
    wrong = first.pings(second.ip, [1472, 4096, LARGE - 28], "-M do")
    report.check(f"unfragmented echoes with an MTU of {LARGE}", not wrong, f"failed: {wrong}")
    report.equal("and none of a byte more", first.pings(second.ip, [LARGE - 27], "-M do"), [LARGE - 27])
    traffic(report, first, second, f", MTU {LARGE}")


def destroy_one(report, first, second):
    """The second guest goes while the first sends to it and is pinged by dom0."""
    second.sh(f"while :; do nc -l -p {PORT} <> /tmp/endless > /dev/null; done 2> /dev/null &")
    first.sh(f"while :; do head -c 100000000 /dev/zero | nc {second.ip} {PORT}; sleep 0.1; done > /dev/null 2>&1 &")
    start = second.vif().counters()[5]
    report.need("the first guest sends to the second",
                wait_for(20, lambda: second.vif().counters()[5] > start + 200))
    ping = subprocess.Popen(["ping", "-n", "-q", "-i", "0.1", "-c", "60", "-W", "10", first.ip],
                            stdout=subprocess.PIPE, text=True)
    xl("destroy", second.name)
    why = second.gone()
    report.check("the second guest is destroyed in the middle of traffic, and nothing is left", not why, why)
    output = ping.communicate(timeout=60)[0]
    report.check("the first guest has answered every ping meanwhile", " 0% packet loss" in output, output)
    report.check("the first guest answers afterwards", first.answers())
    first.sh("kill %1; killall nc head; true")
    wrong = first.pings(DOM0_IP, [57, 65507])
    report.check("the first guest reaches dom0", not wrong, wrong)


def test(report):
    Bridge(report)
    guests = [Guest(report, number) for number in (1, 2)]
    for guest in guests:
        guest.create()
    report.need("both guests boot", all(together(Guest.booted, guests)))
    together(Guest.net_up, guests)
    report.need("both guests answer", all(guest.answers() for guest in guests))
    for guest in guests:
        guest.vif().quiet()
    before = [look(guest) for guest in guests]
    traffic(report, *guests, "")
    for guest, start in zip(guests, before):
        compare_counters(report, guest, start, look(guest))
    large_mtu(report, guests)
    destroy_one(report, *guests)
    xl("destroy", guests[0].name)
    why = guests[0].gone()
    report.check("nothing is left of the first guest", not why, why)


if __name__ == "__main__":
    Report().run(test)
