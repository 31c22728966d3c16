# SPDX-License-Identifier: GPL-2.0
"""Guests made by xl, on a bridge that Xen's own vif-bridge script fills.
lib/guest.sh is the same for one guest and tests in bash. The contract with the
guest's image is in README.md: a root shell on hvc0, nothing of the network set
up. dom0 is 10.9.9.1 on the bridge, guest NUMBER is 10.9.9.(NUMBER + 1)."""
import concurrent.futures
import os
import shutil
import subprocess
import tempfile
import time

import stream_peer
from console import Console, console_tty
from netdev import Netdev, run
from report import Skip, wait_for
from vif import CONNECTED, bounded
from xenstore import Xenstore

KERNEL = os.environ.get("GUEST_KERNEL", "/guest/vmlinuz")
RAMDISK = os.environ.get("GUEST_RAMDISK", "/guest/initrd.gz")
TYPE = os.environ.get("GUEST_TYPE", "pv")

NAME = "xnbt-guest"
BRIDGE = "xnbt-br"
DOM0_IP = "10.9.9.1"
MEMORY = 128  # MiB
PORT = 5300


def together(function, items):
    """[function(item) of all items], called at the same time."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(function, items))


def xl(*arguments, seconds=60):
    """Run xl, but don't wait for ever: it may hang in the kernel. Its output."""
    output = []
    if not bounded(seconds + 10, lambda: output.append(run("xl", *arguments, seconds=seconds))):
        raise TimeoutError(f"xl {' '.join(arguments)} hangs")
    return output[0]


def domains():
    """{name: domid} of all; one that is destroyed while somebody still has its
    pages is called "(null)"."""
    rows = [line.split() for line in xl("list").splitlines()[1:]]
    return {row[0]: int(row[1]) for row in rows}


class Bridge:
    """The tests' bridge, with dom0's address on it."""

    def __init__(self, report):
        self.netdev = Netdev(BRIDGE)
        run("ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
        report.at_exit(run, "ip", "link", "del", BRIDGE)
        self.netdev.quiet()
        self.netdev.set_address(DOM0_IP)
        self.netdev.up()

    @staticmethod
    def has(netdev):
        return os.path.exists(f"/sys/class/net/{BRIDGE}/brif/{netdev.name}")


class Guest:
    """One guest, which is destroyed at the end of the test if it still is."""

    def __init__(self, report, number=1, **config):
        """config: more lines of xl's configuration, or other values for these."""
        for what in (KERNEL, RAMDISK):
            if not os.path.exists(what):
                raise Skip(f"no {what} to boot a guest from")
        if not shutil.which("xl"):
            raise Skip("no xl")
        self.report = report
        self.number = number
        self.name = f"{NAME}{number}"
        self.ip = f"10.9.9.{number + 1}"
        self.mac = f"00:16:3e:0a:0c:{number:02x}"
        self.config = {"type": TYPE, "kernel": KERNEL, "ramdisk": RAMDISK, "memory": MEMORY,
                       "vcpus": 1, "extra": "console=hvc0 quiet",
                       "vif": [f"mac={self.mac},bridge={BRIDGE}"], **config}
        self.store = Xenstore()
        self.backend = 0  # the domain that serves its cards
        self.domid = None
        self.console = None

    # --- life ---

    def create(self, *options):
        """xl create with these options; True."""
        self.report.at_exit(self.destroy)
        with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
            file.write(f"name={self.name!r}\n")
            file.writelines(f"{key}={value!r}\n" for key, value in self.config.items())
            file.flush()
            xl("create", *options, file.name, seconds=120)
        return self.adopt()

    def adopt(self):
        """The domain that now has the guest's name, and its console; True."""
        self.domid = int(xl("domid", self.name))
        self.console = None
        return True

    def booted(self, seconds=180):
        """Wait for the shell on the console; True if there is one."""
        deadline = time.monotonic() + seconds
        self.console = Console(console_tty(self.domid, deadline))
        return self.console.wait_for_shell(deadline)

    def destroy(self):
        if self.name in domains():
            xl("destroy", self.name)

    # --- in the guest ---

    def sh(self, command, seconds=60):
        """Run it in the guest's shell, on its console. Its output; an exception
        if it fails or there is no answer in time."""
        if self.console is None:
            self.booted(seconds)
        result = self.console.run(command, time.monotonic() + seconds)
        if result is None:
            raise TimeoutError(f"{self.name} does not answer to: {command}\n"
                               f"{self.console.seen[-500:].decode(errors='replace')}")
        status, output = result
        if status:
            raise RuntimeError(f"{self.name}: status {status} of: {command}\n{output}")
        return output

    def net_up(self, device=0, address=None):
        """What the guest's own scripts would do; waits for the interface. True."""
        dev = f"eth{device}"
        self.sh(f"dmesg -n 1; i=0; until [ -e /sys/class/net/{dev} ] || [ $i -ge 100 ]; do sleep 0.1;"
                f" i=$((i+1)); done; echo 1 > /proc/sys/net/ipv6/conf/{dev}/disable_ipv6;"
                f" ip addr replace {address or self.ip}/24 dev {dev} && ip link set {dev} up")
        return True

    def counters(self, dev="eth0"):
        """(rx_bytes, rx_packets, tx_bytes, tx_packets) as the guest counts them."""
        base = f"/sys/class/net/{dev}/statistics"
        return [int(line) for line in self.sh(
            f"cat {base}/rx_bytes {base}/rx_packets {base}/tx_bytes {base}/tx_packets").split()]

    def pings(self, target, sizes, options=""):
        """Those of the sizes of which no echo came back from there as it was sent."""
        return [int(size) for size in self.sh(
            f"for s in {' '.join(map(str, sizes))}; do case $(ping -n -c 1 -W 5 -s $s {options}"
            f" {target} 2>&1 || echo wrong) in *wrong*) echo $s;; esac; done", 120).split()]

    def receive_stream(self, port=PORT):
        """Listen for one connection; received_hash() has the hash of what came."""
        # nc ends when either direction does, so it gets an input without an end.
        self.sh(f"rm -f /tmp/sum.{port}; [ -p /tmp/endless ] || mkfifo /tmp/endless;"
                f" (nc -l -p {port} <> /tmp/endless | sha256sum > /tmp/sum.{port}) &")

    def received_hash(self, port=PORT, seconds=60):
        return self.sh(f"i=0; until [ -s /tmp/sum.{port} ] || [ $i -ge {seconds * 10} ]; do sleep 0.1;"
                       f" i=$((i+1)); done; cat /tmp/sum.{port}", seconds + 30).partition(" ")[0]

    def make_stream(self, octets):
        """Random bytes in /tmp/stream, for send_stream(); their hash."""
        return self.sh(f"head -c {octets} /dev/urandom > /tmp/stream; sha256sum < /tmp/stream"
                       ).partition(" ")[0]

    def send_stream(self, address, port=PORT, seconds=60):
        """Send them, once the other end listens."""
        self.sh(f"i=0; until nc {address} {port} < /tmp/stream || [ $i -ge 50 ]; do sleep 0.1;"
                " i=$((i+1)); done", seconds)

    def stream_to(self, guest, octets):
        """Random bytes over TCP to another guest; what went wrong, or nothing."""
        guest.receive_stream()
        here = self.make_stream(octets)
        self.send_stream(guest.ip)
        there = guest.received_hash()
        return "" if here == there else f"sent {here}, {guest.name} has {there}"

    def stream_to_dom0(self, address, octets):
        """The same to this address of dom0's."""
        here = self.make_stream(octets)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            there = pool.submit(stream_peer.receive, (address, PORT), octets, 60)
            self.send_stream(address)
            return "" if here == there.result() else f"sent {here}, dom0 has {there.result()}"

    def stream_from_dom0(self, octets):
        """The same from dom0."""
        self.receive_stream()
        here = stream_peer.send((self.ip, PORT), octets, 60)
        there = self.received_hash()
        return "" if here == there else f"dom0 sent {here}, the guest has {there}"

    # --- in dom0 ---

    def vif(self, device=0):
        return Netdev(f"vif{self.domid}.{device}")

    def back_read(self, key, device=0):
        return self.store.read(f"/local/domain/{self.backend}/backend/vif/{self.domid}/{device}/{key}")

    def front_path(self, device=0):
        return f"/local/domain/{self.domid}/device/vif/{device}"

    def connected(self, device=0, seconds=30):
        return wait_for(seconds, lambda: self.back_read("state", device) == str(CONNECTED))

    def answers(self, address=None, seconds=20):
        """True once the guest answers to a ping of dom0's."""
        return wait_for(seconds, lambda: subprocess.run(
            ["ping", "-n", "-q", "-c", "1", "-W", "1", address or self.ip],
            capture_output=True, check=False).returncode == 0)

    def gone(self, domid=None, seconds=10):
        """Wait until nothing is left in dom0 of that domain (None: of this one):
        the domain, interfaces, devices, interrupts, nodes. What is left, or ""."""
        domid = self.domid if domid is None else domid

        def left():
            found = [name for name, number in domains().items() if number == domid]
            found += [name for name in os.listdir("/sys/class/net")
                      if name.startswith(f"vif{domid}.")]
            found += [name for name in os.listdir("/sys/bus/xen-backend/devices")
                      if name.startswith(f"vif-{domid}-")]
            found += interrupts(f"vif{domid}.")
            found += [path for path in (
                f"/local/domain/{self.backend}/backend/vif/{domid}", f"/local/domain/{domid}")
                      if self.store.read(path) is not None]
            return found
        wait_for(seconds, lambda: not left())
        return " ".join(left())

    def ready(self):
        """Create, boot and configure it, or give the test up."""
        self.report.need(f"xl create {self.name}", self.create())
        self.report.need(f"{self.name} boots", self.booted())
        self.net_up()
        self.report.need(f"{self.name} answers", self.answers())


def interrupts(prefix):
    """The names of this domain's interrupts that begin so."""
    with open("/proc/interrupts", encoding="ascii") as file:
        names = [line.split()[-1] for line in file if ":" in line]
    return [name for name in names if name.startswith(prefix)]


def event_channels():
    """The number of interrupts of this domain that are Xen's event channels."""
    with open("/proc/interrupts", encoding="ascii") as file:
        return sum("xen-dyn" in line for line in file)
