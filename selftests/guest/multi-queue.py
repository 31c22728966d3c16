#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
"""A guest with four vCPUs: as many queues, flows on several of them both ways, TCP
in large pieces; and another number of queues when its driver is bound anew."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from guest import Bridge, Guest  # noqa: E402
from netdev import run  # noqa: E402
from report import Report, wait_for  # noqa: E402
from vif import load_driver  # noqa: E402

QUEUES, FLOWS = 4, 8
MTU = 1500


def queues(guest):
    """How many transmit queues the interface has; and the guest's."""
    here = os.listdir(f"/sys/class/net/{guest.vif().name}/queues")
    there = guest.sh("ls /sys/class/net/eth0/queues").split()
    return tuple(sum(name.startswith("tx-") for name in names) for names in (here, there))


def per_queue(guest, direction):
    """Packets of each queue in this direction, as the driver counts them."""
    text = run("ethtool", "-S", guest.vif().name)
    return [int(count) for count in re.findall(rf"q\d+_guest_{direction}_packets: (\d+)", text)]


def iperf(guest, *options):
    """TCP between dom0 and the guest for two seconds; iperf3's complaint, or nothing."""
    done = subprocess.run(["iperf3", "-c", guest.ip, "-t", "2", *options],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def busy(before, after):
    return sum(b > a for a, b in zip(before, after))


def flows(report, guest, options, direction, what):
    before = per_queue(guest, direction)
    why = iperf(guest, "-P", str(FLOWS), *options)
    report.check(f"{FLOWS} TCP flows {what}", not why, why)
    after = per_queue(guest, direction)
    report.c_fails("does not count by queue")
    report.check(f"several queues carry those {what}", busy(before, after) > 1, f"{before}, {after}")


def mean(guest, options, transmitted):
    """Bytes in a packet, of one TCP flow."""
    first = guest.vif().counters()
    why = iperf(guest, *options)
    if why:
        raise RuntimeError(why)
    grown = [b - a for a, b in zip(first, guest.vif().counters())]
    octets, packets = (grown[4], grown[5]) if transmitted else (grown[0], grown[1])
    return octets / max(packets, 1)


def pieces(report, guest):
    size = mean(guest, [], True)
    report.check("TCP to the guest crosses in large pieces", size > 2 * MTU, f"{size} bytes a packet")
    size = mean(guest, ["-R"], False)
    report.check("TCP from the guest does", size > 2 * MTU, f"{size} bytes a packet")
    guest.sh("ethtool -K eth0 tso off")
    size = mean(guest, ["-R"], False)
    report.check("without the guest's TSO it comes in small ones", size <= MTU + 14, f"{size} bytes a packet")
    guest.sh("ethtool -K eth0 tso on")
    run("ethtool", "-K", guest.vif().name, "tso", "off")
    size = mean(guest, [], True)
    report.check("and without this end's it goes in small ones", size <= MTU + 14, f"{size} bytes a packet")
    run("ethtool", "-K", guest.vif().name, "tso", "on")


def test(report):
    report.at_exit(load_driver)
    load_driver(f"max_queues={QUEUES}")
    Bridge(report)
    guest = Guest(report, memory=192, vcpus=QUEUES)
    guest.ready()
    report.equal("offered", guest.back_read("multi-queue-max-queues"), str(QUEUES))
    report.equal("the guest takes as many",
                 guest.store.read(f"{guest.front_path()}/multi-queue-num-queues"), str(QUEUES))
    report.equal("both ends have them", queues(guest), (QUEUES, QUEUES))
    guest.sh("iperf3 -s -D > /dev/null")
    report.need("the guest's iperf3 listens", wait_for(10, lambda: not iperf(guest)))
    flows(report, guest, [], "rx", "to the guest")
    flows(report, guest, ["-R"], "tx", "from the guest")
    pieces(report, guest)

    guest.sh("echo 2 > /sys/module/xen_netfront/parameters/max_queues;"
             " echo vif-0 > /sys/bus/xen/drivers/vif/unbind; echo vif-0 > /sys/bus/xen/drivers/vif/bind")
    guest.net_up()
    report.need("the guest answers with its driver bound anew", guest.answers())
    report.equal("both ends have the two queues that it wants now", queues(guest), (2, 2))
    flows(report, guest, [], "rx", "to the guest on two queues")


if __name__ == "__main__":
    Report().run(test)
