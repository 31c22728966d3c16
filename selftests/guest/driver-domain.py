#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 400
"""The backend in a guest, a driver domain with xl devd, whose bridge another
guest's card joins: traffic between the two and through the one to dom0; the other
guest reboots and is destroyed; last the driver domain is, under its guest's feet."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from driver_domain import DriverDomain  # noqa: E402
from guest import BRIDGE, DOM0_IP, Bridge, Guest, domains, xl  # noqa: E402
from netdev import run  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402

SIZES = [0, 57, 1472, 1473, 4096, 16384, 65507]
OCTETS = 1_000_000


def connected(report, driver, guest, how):
    """The guest's card is served there and not here, by devd's script."""
    report.need(f"its card is Connected{how}", guest.connected(),
                f"state {guest.back_read('state')}, {guest.back_read('hotplug-error')}")
    report.equal(f"the script has run{how}", guest.back_read("hotplug-status"), "connected")
    name = guest.vif().name
    report.equal(f"{name} is on the driver domain's bridge{how}",
                 driver.sh(f"ls /sys/class/net/{BRIDGE}/brif").split(), ["eth0", name])
    report.check(f"and not in dom0{how}", not os.path.exists(f"/sys/class/net/{name}"))


def echoes(report, driver, guest, how):
    report.need(f"dom0 has an answer of the guest{how}", guest.answers())
    for address, where in ((driver.ip, "of the driver domain"), (DOM0_IP, "of dom0")):
        wrong = guest.pings(address, SIZES)
        if address == DOM0_IP:
            report.c_fails("what it has mapped of a guest, netfront cannot grant to dom0")
        report.check(f"echoes of 0 to 65507 bytes {where}{how}", not wrong, f"failed: {wrong}")


def streams(report, driver, guest):
    for source, target, what in ((guest, driver, "to"), (driver, guest, "from")):
        why = source.stream_to(target, OCTETS)
        report.check(f"TCP {what} the driver domain, contents compared", not why, why)
    if DRIVER == "xen-netback":
        return  # as above
    why = guest.stream_to_dom0(DOM0_IP, OCTETS)
    report.check("TCP through it to dom0, contents compared", not why, why)
    why = guest.stream_from_dom0(OCTETS)
    report.check("TCP through it from dom0, contents compared", not why, why)


def load(driver, guest):
    """Traffic both ways that does not end."""
    for here, there in ((guest, driver), (driver, guest)):
        here.sh(f"ping -n -q -i 0.01 -s 8000 {there.ip} > /dev/null 2>&1 &")


def start(report, driver, guest, how):
    report.need(f"xl create with a card of the driver domain's{how}", guest.create())
    report.need(f"the guest boots{how}", guest.booted())
    guest.net_up()
    connected(report, driver, guest, how)


def reboot(report, driver, guest):
    old = guest.domid
    guest.console.write(b"reboot -f\n")
    report.need("xl makes a new domain when it reboots",
                wait_for(60, lambda: domains().get(guest.name, old) != old))
    guest.adopt()
    report.need("the guest boots again", guest.booted())
    guest.net_up()
    connected(report, driver, guest, ", rebooted")
    why = driver.has_nothing_of(old)
    report.check("nothing is left in the driver domain of the one before", not why, why)
    echoes(report, driver, guest, ", rebooted")


def test(report):
    Bridge(report)
    # Else it takes the address of the driver domain's vif, which is that of its guest's vif as well.
    run("ip", "link", "set", BRIDGE, "address", "00:16:3e:0a:0c:00")
    driver = DriverDomain(report, 1)
    guest = Guest(report, 2)
    guest.config["vif"] = [f"mac={guest.mac},bridge={BRIDGE},backend={driver.name}"]
    report.need("xl create of the driver domain", driver.create())
    report.need("it boots", driver.booted())
    guest.backend = driver.domid
    driver.serve()
    driver.sh(f"[ -d /sys/module/{DRIVER.replace('-', '_')} ]")
    report.need("the driver domain answers", driver.answers())

    start(report, driver, guest, "")
    echoes(report, driver, guest, "")
    streams(report, driver, guest)
    reboot(report, driver, guest)
    load(driver, guest)
    xl("destroy", guest.name)
    why = guest.gone()
    report.check("the guest is destroyed under load, and nothing is left in dom0", not why, why)
    why = driver.has_nothing_of(guest.domid)
    report.check("nor in the driver domain", not why, why)
    report.check("the driver domain answers", driver.answers())

    start(report, driver, guest, ", anew")
    load(driver, guest)
    report.check("the guest answers", guest.answers())
    xl("destroy", driver.name)
    why = driver.gone()
    report.check("the driver domain is destroyed under load, and nothing is left", not why, why)
    report.equal("its guest goes on without it", guest.sh("echo here").strip(), "here")
    xl("destroy", guest.name)
    why = guest.gone()
    report.check("and can be destroyed", not why, why)


if __name__ == "__main__":
    Report().run(test)
