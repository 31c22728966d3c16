#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
"""What a toolstack says of a card: its interface's name, MTU and rate; other scripts
than the bridge's; and scripts that udev runs instead of libxl."""
import os
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from guest import BRIDGE, DOM0_IP, PORT, Bridge, Guest, xl  # noqa: E402
from netdev import Netdev, run  # noqa: E402
from report import Report, wait_for  # noqa: E402
from uevents import Uevents  # noqa: E402

RATE = 500_000  # bytes a second, as 4Mb/s of xl's
NAME = "xnbt-named"
XL_CONF = "/etc/xen/xl.conf"


def sent_by(guest, seconds):
    """Bytes a second that a TCP connection of the guest's brings, the first second left out."""
    with socket.create_server((DOM0_IP, PORT)) as server:
        server.settimeout(30)
        guest.sh(f"(timeout {seconds + 10} nc {DOM0_IP} {PORT} < /dev/zero > /dev/null 2>&1) &")
        connection = server.accept()[0]
    with connection:
        connection.settimeout(10)
        begun, count, started = time.monotonic(), 0, None
        while (now := time.monotonic()) - begun < seconds + 1:
            if started is None and now - begun >= 1:
                started, count = now, 0
            count += len(connection.recv(1 << 16))
        return count / (now - started)


def keys(report, guest):
    vif = Netdev(NAME)
    report.need("the interface has its name", os.path.exists(f"/sys/class/net/{NAME}"))
    report.check("it is on the bridge", Bridge.has(vif))
    report.equal("its MTU", vif.mtu, 1280)
    report.equal("the guest is told of it", guest.store.read(f"{guest.front_path()}/mtu"), "1280")
    report.equal("the rate in xenstore", guest.back_read("rate"), f"{RATE // 20},50000")
    rate = sent_by(guest, 4)
    report.check("TCP of the guest's is limited to it", 0.8 * RATE < rate < 1.05 * RATE,
                 f"{rate:.0f} B/s, want {RATE}")
    guest.store.remove(f"/local/domain/0/backend/vif/{guest.domid}/0/rate")
    report.check("without the key it is faster",
                 wait_for(30, lambda: sent_by(guest, 2) > 1.5 * RATE))


def attach(report, guest, device, script, address, route=None):
    """Another card with this script; the guest configures and pings."""
    xl("network-attach", guest.name, f"script={script}", f"ip={address}", f"gatewaydev={BRIDGE}",
       f"mac=00:16:3e:0a:0e:{device:02x}")
    report.need(f"{script}: Connected", guest.connected(device), guest.back_read("state", device))
    guest.net_up(device, address)
    vif = guest.vif(device)
    here = route or run("ip", "-4", "-o", "address", "show", "dev", vif.name).split()[3].partition("/")[0]
    guest.sh(f"ip route replace {here} dev eth{device} src {address}")
    wrong = wait_for(20, lambda: not guest.pings(here, [56, 1472], f"-I eth{device}"))
    report.check(f"{script}: the guest reaches dom0", wrong, f"{here} from {address}")
    report.check(f"{script}: and dom0 the guest", guest.answers(address))
    report.check(f"{script}: the interface is on no bridge", not Bridge.has(vif))
    xl("network-detach", guest.name, str(device))
    report.check(f"{script}: detached", wait_for(
        15, lambda: not os.path.exists(f"/sys/class/net/{vif.name}")))


class Udev(threading.Thread):
    """Does what a udev rule of XAPI's has its script do: the interface of an online
    event joins the bridge, and the toolstack is told."""

    def __init__(self, store):
        super().__init__(daemon=True)
        self.store = store
        self.uevents = Uevents(60)
        self.event = None

    def run(self):
        event = self.uevents.wait("online", "vif-")
        if event is None:
            return
        self.event = event
        run("ip", "link", "set", event["vif"], "master", BRIDGE)
        Netdev(event["vif"]).up()
        self.store.write(f"/local/domain/0/{event['XENBUS_PATH']}/hotplug-status", "connected")


def udev(report):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write("run_hotplug_scripts=0\n")
        conf.flush()
        run("mount", "--bind", conf.name, XL_CONF)
        try:
            guest = Guest(report, number=2)
            rules = Udev(guest.store)
            rules.start()
            guest.ready()
            rules.join(10)
            event = rules.event or {}
            report.equal("udev's event names the interface", event.get("vif"), guest.vif().name)
            report.check("and the script", event.get("script", "").endswith("vif-bridge"), event)
            report.check("the interface is on the bridge by udev's hand", Bridge.has(guest.vif()))
            report.need("Connected by udev's word", guest.connected())
            xl("destroy", guest.name)
            why = guest.gone()
            report.check("nothing is left of the guest", not why, why)
        finally:
            run("umount", XL_CONF)


def test(report):
    Bridge(report)
    udev(report)
    guest = Guest(report)
    guest.config["vif"] = [f"mac={guest.mac},bridge={BRIDGE},vifname={NAME},mtu=1280,rate=4Mb/s"]
    guest.ready()
    # What vif-bridge tells the guest of the MTU, it tells a node named after the interface as well.
    report.at_exit(guest.store.remove, f"/local/domain/{NAME}")
    keys(report, guest)
    attach(report, guest, 1, "vif-route", "10.9.7.2", DOM0_IP)
    attach(report, guest, 1, "vif-nat", "10.9.8.2")
    xl("destroy", guest.name)
    why = guest.gone()
    report.check("nothing is left of the guest", not why, why)


if __name__ == "__main__":
    Report().run(test)
