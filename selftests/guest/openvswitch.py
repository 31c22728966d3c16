#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 300
"""Xen's vif-openvswitch script puts a guest's cards on an Open vSwitch bridge: one
plain, one with a VLAN tag, one a trunk; traffic keeps to its VLANs; the ports go
with the cards."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from guest import BRIDGE, DOM0_IP, Guest, xl  # noqa: E402
from netdev import Netdev, run  # noqa: E402
from report import Report, Skip, wait_for  # noqa: E402

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
MODULE = "openvswitch"
DATAPATH = "/sys/class/net/ovs-system"

SIZES = [0, 57, 1468, 1472, 1473, 4096, 16384, 65507]
OCTETS = 1_000_000
PLAIN, TAGGED, TRUNK = range(3)
# What the script makes of a bridge's name: the VLAN of an untagged card, or those
# that a card may use with its own tags.
FORMS = {PLAIN: BRIDGE, TAGGED: f"{BRIDGE}.7", TRUNK: f"{BRIDGE}:7:8"}


class Switch:
    """Open vSwitch with its files in a directory of the test's, and one bridge,
    where dom0's own interface has all VLANs."""

    def __init__(self, report):
        self.report = report
        for program in ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"):
            if not shutil.which(program):
                raise Skip(f"no {program}")
        if not os.path.exists(SCHEMA):
            raise Skip(f"no {SCHEMA}")
        if os.path.exists(DATAPATH):
            raise Skip("Open vSwitch is in use")
        if not os.path.exists(f"/sys/module/{MODULE}"):
            try:
                run("modprobe", MODULE)
            except RuntimeError as error:
                raise Skip(f"no module {MODULE}") from error
            report.at_exit(run, "modprobe", "-r", MODULE)
        self.directory = tempfile.mkdtemp()
        report.at_exit(shutil.rmtree, self.directory)
        # Where its programs look for each other; the script has it from xl.
        os.environ["OVS_RUNDIR"] = self.directory
        database, sock = f"{self.directory}/conf.db", f"{self.directory}/db.sock"
        run("ovsdb-tool", "create", database, SCHEMA)
        self.start("ovsdb-server", database, f"--remote=punix:{sock}")
        report.need("ovsdb-server runs", wait_for(20, lambda: os.path.exists(sock)))
        self.vsctl("--no-wait", "init")
        self.start("ovs-vswitchd", f"unix:{sock}")
        report.at_exit(self.vsctl, "--if-exists", "del-br", BRIDGE)
        self.vsctl("add-br", BRIDGE)
        self.set_up(BRIDGE, DOM0_IP)

    def start(self, *command):
        with open(f"{self.directory}/{command[0]}.log", "w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.report.at_exit(process.wait, 20)
        self.report.at_exit(process.terminate)

    @staticmethod
    def vsctl(*arguments):
        return run("ovs-vsctl", "--timeout=30", *arguments, seconds=40).strip()

    def ports(self):
        return sorted(self.vsctl("list-ports", BRIDGE).split())

    @staticmethod
    def set_up(name, address):
        netdev = Netdev(name)
        netdev.quiet()
        netdev.set_address(address)
        netdev.up()
        return netdev

    def vlan(self, tag, address):
        """dom0's interface in a VLAN, which goes with the bridge."""
        name = f"{BRIDGE}.{tag}"
        run("ip", "link", "add", "link", BRIDGE, "name", name, "type", "vlan", "id", str(tag))
        return self.set_up(name, address)


def ports(report, switch, guest):
    names = [guest.vif(card).name for card in FORMS]
    report.equal("the script has put the cards on the bridge", switch.ports(), sorted(names))
    asked = {card: (switch.vsctl("get", "port", name, "tag"), switch.vsctl("get", "port", name, "trunks"))
             for card, name in zip(FORMS, names)}
    report.equal("tags and trunks are those of the bridge's name", asked,
                 {PLAIN: ("[]", "[]"), TAGGED: ("7", "[]"), TRUNK: ("[]", "[7, 8]")})
    report.equal("the switch knows the guest by name",
                 switch.vsctl("get", "interface", names[PLAIN], "external_ids:xen-vm-name"), guest.name)
    report.equal("and the card by its MAC address",
                 switch.vsctl("get", "interface", names[TAGGED], "external_ids:attached-mac"),
                 f'"{mac(TAGGED)}"')


def mac(card):
    return f"00:16:3e:0a:0f:{card:02x}"


def traffic(report, guest, here, what):
    wrong = guest.pings(here, SIZES)
    report.check(f"echoes of 0 to 65507 bytes, {what}", not wrong, f"failed: {wrong}")
    why = guest.stream_to_dom0(here, OCTETS)
    report.check(f"TCP from the guest, contents compared, {what}", not why, why)


def vlan_in_guest(guest, tag, address):
    guest.sh("modprobe 8021q;"
             f" ip link add link eth{TRUNK} name eth{TRUNK}.{tag} type vlan id {tag};"
             f" ip addr add {address}/24 dev eth{TRUNK}.{tag}; ip link set eth{TRUNK}.{tag} up")


def test(report):
    switch = Switch(report)
    switch.vlan(7, "10.9.7.1")
    switch.vlan(8, "10.9.8.1")
    unused = switch.vlan(9, "10.9.6.1")
    run("ip", "address", "add", "10.9.10.1/24", "dev", f"{BRIDGE}.7")
    run("ip", "address", "add", "10.9.11.1/24", "dev", BRIDGE)

    cards = [f"mac={mac(card)},script=vif-openvswitch,bridge={bridge}" for card, bridge in FORMS.items()]
    guest = Guest(report, vif=cards[:1])
    report.need("xl create with vif-openvswitch", guest.create())
    report.need("the guest boots", guest.booted())
    # One after the other: the scripts wait for each other, and xl does not wait for long.
    for card in cards[1:]:
        xl("network-attach", guest.name, *card.split(","))
    ports(report, switch, guest)
    guest.net_up(PLAIN)
    guest.net_up(TAGGED, "10.9.7.2")
    guest.net_up(TRUNK, "10.9.11.2")
    report.need("all are Connected", all(guest.connected(card) for card in FORMS))
    report.need("the guest answers", guest.answers())

    traffic(report, guest, DOM0_IP, "untagged")
    why = guest.stream_from_dom0(OCTETS)
    report.check("TCP to the guest, contents compared, untagged", not why, why)
    traffic(report, guest, "10.9.7.1", "tagged by the switch")
    vlan_in_guest(guest, 7, "10.9.10.2")
    traffic(report, guest, "10.9.10.1", "tagged by the guest")
    vlan_in_guest(guest, 8, "10.9.8.2")
    wrong = guest.pings("10.9.8.1", [56, 1472])
    report.check("the trunk has its other VLAN", not wrong, f"failed: {wrong}")
    vlan_in_guest(guest, 9, "10.9.6.2")
    report.equal("and none that was not asked for", guest.pings("10.9.6.1", [56]), [56])
    report.equal("of which nothing arrives", unused.counters()[1], 0)
    report.equal("nor what has no tag", guest.pings("10.9.11.1", [56]), [56])

    gone = guest.vif(TRUNK).name
    xl("network-detach", guest.name, str(TRUNK))
    report.check("a card that is detached is no port any more",
                 wait_for(15, lambda: gone not in switch.ports()), switch.ports())
    report.check("the others go on", guest.answers())
    xl("destroy", guest.name)
    why = guest.gone()
    report.check("nothing is left of the guest", not why, why)
    report.equal("no ports are left either", wait_for(15, lambda: not switch.ports()) or switch.ports(), True)


if __name__ == "__main__":
    Report().run(test)
