# SPDX-License-Identifier: GPL-2.0
"""A vif with both ends in this domain: its nodes in xenstore as the toolstack
writes them, its frontend xen-netfront or the test itself. lib/loopback.sh is
the same for tests in bash."""
import os
import subprocess
import threading

from netdev import Netdev, namespace, run
from report import DRIVER, GiveUp, Skip, wait_for
from xenstore import Xenstore

UNKNOWN, INITIALISING, INIT_WAIT, INITIALISED, CONNECTED, CLOSING, CLOSED, \
    RECONFIGURING, RECONFIGURED = range(9)
STATE_NAMES = ("Unknown", "Initialising", "InitWait", "Initialised", "Connected",
               "Closing", "Closed", "Reconfiguring", "Reconfigured")

NETNS = "xnbt-front"
AUTOPROBE = "/sys/bus/xen/drivers_autoprobe"
NETFRONT = "/sys/bus/xen/drivers/vif"


def write_file(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def read_file(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def load_driver(*parameters):
    """The driver under test, anew, with these parameters."""
    run("modprobe", "-r", DRIVER)
    run("modprobe", "-C", "/dev/null", DRIVER, *parameters)


def bounded(seconds, function, *arguments):
    """Call it in a thread and wait for the end, but not for ever: what hangs in
    the kernel can't be stopped. True if it ended; its exception is raised."""
    outcome = []

    def call():
        try:
            function(*arguments)
            outcome.append(None)
        except Exception as error:
            outcome.append(error)
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if outcome and outcome[0] is not None:
        raise outcome[0]
    return bool(outcome)


class Vif:
    """vif<domid>.<handle>. Made by attach(); taken away at the end of the test."""

    def __init__(self, report, handle=10):
        # Xen moves a page for which an auto-translated domain maps a grant of its own
        # to where it is mapped: the frontend's end of the ring would be gone.
        kind = read_file("/sys/hypervisor/guest_type")
        if kind in ("PVH", "HVM"):
            raise Skip(f"a {kind} domain cannot be its own frontend")
        self.report = report
        self.handle = handle
        self.store = Xenstore()
        domid = self.store.read("domid") or "0"
        self.domid = domid
        self.front_path = f"/local/domain/{domid}/device/vif/{handle}"
        self.back_path = f"/local/domain/{domid}/backend/vif/{domid}/{handle}"
        self.error_path = f"/local/domain/{domid}/error/backend/vif/{domid}/{handle}/error"
        self.back_device = f"/sys/bus/xen-backend/devices/vif-{domid}-{handle}"
        self.front_device = f"/sys/bus/xen/devices/vif-{handle}"
        self.back = Netdev(f"vif{domid}.{handle}")
        self.front = None  # a Netdev once netfront has made it
        self.back_ip = f"10.8.{handle}.1"
        self.front_ip = f"10.8.{handle}.2"
        report.at_exit(self._clean_up)
        if not os.path.exists("/sys/module/xen_netfront"):
            run("modprobe", "xen-netfront")

    # --- xenstore ---

    def write_nodes(self, back=None, front=None):
        """The nodes of a new vif; None leaves one out. hotplug-status is "connected"
        unless given: no script runs for these."""
        mac = f"00:16:3e:00:00:{self.handle:02x}"
        back_nodes = {"frontend": self.front_path, "frontend-id": self.domid, "online": 1,
                      "handle": self.handle, "mac": mac, "script": "/bin/true",
                      "hotplug-status": "connected", "state": INITIALISING, **(back or {})}
        front_nodes = {"backend": self.back_path, "backend-id": self.domid,
                       "handle": self.handle, "mac": mac, "state": INITIALISING,
                       **(front or {})}
        nodes = {f"{self.front_path}/{key}": value for key, value in front_nodes.items()}
        nodes |= {f"{self.back_path}/{key}": value for key, value in back_nodes.items()}
        self.store.write_all({path: value for path, value in nodes.items() if value is not None})

    def back_read(self, key):
        return self.store.read(f"{self.back_path}/{key}")

    def front_read(self, key):
        return self.store.read(f"{self.front_path}/{key}")

    def back_write(self, key, value):
        self.store.write(f"{self.back_path}/{key}", value)

    def front_write(self, key, value):
        self.store.write(f"{self.front_path}/{key}", value)

    def back_state(self):
        return int(self.back_read("state") or UNKNOWN)

    def front_state(self):
        return int(self.front_read("state") or UNKNOWN)

    def wait_back(self, state, seconds=10):
        return wait_for(seconds, lambda: self.back_state() == state)

    def need_back(self, state, name=None, seconds=10):
        self.report.need(name or f"backend is {STATE_NAMES[state]}", self.wait_back(state, seconds),
                         f"it is {STATE_NAMES[self.back_state()]}; error node: {self.error()}")

    def need_open(self, name="carrier"):
        """The backend's interface up, without frames of the kernel's own, and with a
        carrier."""
        self.back.quiet()
        self.back.up()
        self.report.need(name, wait_for(10, self.back.running))

    def error(self):
        return self.store.read(self.error_path)

    # --- life ---

    def attach(self, back=None, front=None, netfront=True):
        """Make the vif; netfront=False: the test itself is the frontend."""
        write_file(AUTOPROBE, "1" if netfront else "0")
        self.write_nodes(back, front)
        if not netfront and not wait_for(10, lambda: os.path.exists(self.front_device)):
            raise RuntimeError(f"no {self.front_device}")

    def front_name(self):
        """What netfront's interface is called; sysfs shows this namespace's."""
        try:
            return os.listdir(f"{self.front_device}/net")[0]
        except (FileNotFoundError, IndexError):
            return None

    def connected(self, seconds=15):
        """Wait for both drivers; the two interfaces are then up with a carrier."""
        if not self.wait_back(CONNECTED, seconds):
            return f"the backend is {STATE_NAMES[self.back_state()]}, error node: {self.error()}"
        name = wait_for(seconds, self.front_name)
        if not name:
            return "netfront made no interface"
        self.front = Netdev(name)
        for netdev in (self.back, self.front):
            netdev.quiet()
            netdev.up()
        return self.wait_running(seconds)

    def wait_running(self, seconds=15):
        """Wait for the carrier of both; says what is missing, or nothing."""
        for what, netdev in (("the backend", self.back), ("netfront", self.front)):
            if not wait_for(seconds, netdev.running):
                return f"no carrier at {what}'s interface"
        return ""

    def ready(self, back=None, front=None):
        """Attach and connect, or give the test up."""
        self.attach(back, front)
        why = self.connected()
        self.report.need(f"{self.back.name} connects", not why, why)

    def ready_with_addresses(self, back=None, front=None):
        """As ready(); the frontend's interface goes to a namespace and both
        ends have an IPv4 address."""
        self.ready(back, front)
        self.move_front()

    def move_front(self):
        if not os.path.exists(f"/run/netns/{NETNS}"):
            run("ip", "netns", "add", NETNS)
            with namespace(NETNS):
                write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
            Netdev("lo", NETNS).up()
        run("ip", "link", "set", self.front.name, "netns", NETNS, "name", "eth0")
        self.front = Netdev("eth0", NETNS)
        self.set_addresses()

    def set_addresses(self):
        self.back.set_address(self.back_ip)
        self.front.set_address(self.front_ip)
        for netdev in (self.back, self.front):
            netdev.up()
        why = self.wait_running()
        if why:
            self.report.check("both ends are running", False, why)
            raise GiveUp

    def netfront_bound(self):
        return os.path.exists(f"{NETFRONT}/vif-{self.handle}")

    def netfront_unbind(self, seconds=20):
        """Unbind netfront, which shakes hands with the backend; True if it ended."""
        return bounded(seconds, write_file, f"{NETFRONT}/unbind", f"vif-{self.handle}")

    def netfront_bind(self, seconds=20):
        return bounded(seconds, write_file, f"{NETFRONT}/bind", f"vif-{self.handle}")

    def backend_driver(self):
        """The directory of the driver that serves the vif."""
        return os.path.realpath(f"{self.back_device}/driver")

    def gone(self, seconds=10):
        return wait_for(seconds, lambda: not os.path.exists(self.back_device))

    def detach(self):
        """As the toolstack does it; says what went wrong, or nothing. netfront
        is unbound by hand first: were it removed by the watch on its node, it
        would wait for a backend that the same xenwatch thread serves."""
        problem = ""
        if self.back_read("state") is not None:
            self.back_write("online", 0)
        if self.netfront_bound():
            if not self.netfront_unbind():
                problem = "netfront's unbinding hangs"
        elif os.path.exists(self.back_device) and self.front_read("backend") is not None:
            self.front_write("state", CLOSED)
        if not problem and not self.gone():
            problem = "the backend device stays after Closed with online=0"
        self.remove_nodes()
        if not self.gone():
            problem = problem or "the backend device stays after its node is gone"
        if not wait_for(10, lambda: not os.path.exists(self.front_device)):
            problem = problem or "the frontend device stays"
        return problem

    def remove_nodes(self):
        # The backend's first: a netfront that waits for its state sees it gone.
        for path in (self.back_path, self.front_path, os.path.dirname(self.error_path)):
            self.store.remove(path, tidy=True)

    def _clean_up(self):
        problem = self.detach()
        write_file(AUTOPROBE, "1")
        if os.path.exists(f"/run/netns/{NETNS}"):
            subprocess.run(["ip", "netns", "del", NETNS], check=False)
        if problem:
            self.report.check("the vif goes away", False, problem)

    def spurious_events(self):
        return int(read_file(f"{self.back_device}/xenbus/spurious_events"))
