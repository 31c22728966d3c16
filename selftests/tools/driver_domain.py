# SPDX-License-Identifier: GPL-2.0
"""A guest that serves other guests' cards: a driver domain. Its ramdisk is the
guests' own with an archive behind it (the kernel unpacks them one after the other)
of what Xen's hotplug takes: modules, xl, its scripts and what those run, as they
are in dom0."""
import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile

from guest import BRIDGE, RAMDISK, Guest
from netdev import run
from report import DRIVER, Skip, wait_for

MEMORY = 512  # MiB
SCRIPTS = "/etc/xen/scripts"
PROGRAMS = ("bash", "ip", "xenstore-read", "xenstore-write", "xenstore-rm")
MODULES = (DRIVER, "bridge", "xen-evtchn", "xen-privcmd")
MODULES_THERE = "/usr/lib/xnbt-modules"


class Archive:
    """A cpio archive of the kind that the kernel unpacks (newc)."""

    def __init__(self, file):
        self.file = file
        self.names = set()

    def add(self, name, mode, data=b""):
        """A file or directory with the directories above it, once. One that is a
        symbolic link in an archive before this one (as /lib often is) would not
        stay one: the name has to be what realpath() says."""
        name = name.lstrip("/")
        if name in self.names:
            return
        self.names.add(name)
        if os.path.dirname(name):
            self.add(os.path.dirname(name), stat.S_IFDIR | 0o755)
        self._entry(name, mode, data)

    def close(self):
        self._entry("TRAILER!!!", 0, b"")

    def _entry(self, name, mode, data):
        encoded = name.encode() + b"\0"
        # Number, mode, owner, group, links, time, size, four numbers of devices, the name's length, checksum.
        fields = (len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        for part in (b"070701" + b"".join(b"%08X" % field for field in fields) + encoded, data):
            self.file.write(part + bytes(-len(part) % 4))


def libraries(program):
    """What the dynamic linker would load with it, and itself."""
    listed = subprocess.run([program], env={"LD_TRACE_LOADED_OBJECTS": "1"},
                            capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", listed)


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def xl_program():
    """xl itself: what Debian has in the path is a script that looks for it."""
    for path in (shutil.which("xl"), *sorted(glob.glob("/usr/lib/xen-*/bin/xl"))):
        if path and is_elf(path):
            return path
    raise Skip("no xl to put into a driver domain")


def module_files():
    """Those of MODULES and what they need, in the order in which they load."""
    paths = []
    for name in MODULES:
        shown = run("modprobe", "-C", "/dev/null", "--show-depends", name)
        paths += [path for path in re.findall(r"^insmod (\S+)", shown, re.M) if path not in paths]
    return paths


def write_ramdisk(file):
    with open(RAMDISK, "rb") as base:
        shutil.copyfileobj(base, file)
    file.write(bytes(-file.tell() % 4))
    archive = Archive(file)

    def add(path, there=None):
        with open(path, "rb") as source:
            directory = os.path.realpath(os.path.dirname(path))
            archive.add(there or os.path.join(directory, os.path.basename(path)),
                        stat.S_IFREG | stat.S_IMODE(os.stat(path).st_mode), source.read())

    def add_program(path, there=None):
        add(path, there)
        for library in libraries(path):
            add(library)
    add_program(xl_program(), "/usr/sbin/xl")
    for name in PROGRAMS:
        if not shutil.which(name):
            raise Skip(f"no {name} to put into a driver domain")
        add_program(shutil.which(name))
    for name in os.listdir(SCRIPTS):
        if os.path.isfile(f"{SCRIPTS}/{name}"):
            add(f"{SCRIPTS}/{name}")
    for number, path in enumerate(module_files()):
        add(path, f"{MODULES_THERE}/{number:02d}-{os.path.basename(path)}")
    archive.close()


class DriverDomain(Guest):
    """Its own card is on dom0's bridge, and with those that it serves on a bridge
    of its own, which has the same name and the domain's address."""

    def __init__(self, report, number):
        super().__init__(report, number, memory=MEMORY, driver_domain=1)
        if not os.path.isdir(SCRIPTS):
            raise Skip(f"no {SCRIPTS}")
        with tempfile.NamedTemporaryFile(delete=False) as file:
            report.at_exit(os.unlink, file.name)
            write_ramdisk(file)
        self.config["ramdisk"] = file.name

    def serve(self):
        """Load the modules, make the bridge, start what runs the hotplug scripts."""
        here, there = os.uname().release, self.sh("uname -r").strip()
        if here != there:
            raise Skip(f"the guests' kernel is {there}, dom0's modules are of {here}")
        self.sh(f"for m in {MODULES_THERE}/*; do n=$(basename $m | sed 's/^..-//; s/\\.ko.*//' | tr - _);"
                " [ -d /sys/module/$n ] || insmod $m || exit 1; done")
        self.sh("mkdir -p /var/log/xen /var/lib/xen /run/xen /var/lock")
        self.sh(f"ip link add {BRIDGE} type bridge forward_delay 0;"
                f" echo 1 > /proc/sys/net/ipv6/conf/{BRIDGE}/disable_ipv6;"
                f" ip link set eth0 up master {BRIDGE}; ip addr add {self.ip}/24 dev {BRIDGE};"
                f" ip link set {BRIDGE} up")
        self.sh("xl devd")
        self.report.need("xl devd runs", self.sh("pidof xl").strip())

    def served(self, domid):
        """What there is of that domain's cards: interfaces, devices, nodes."""
        found = self.sh(f"cd /sys/class/net; ls -d vif{domid}.* 2> /dev/null; cd /sys/bus/xen-backend/devices;"
                        f" ls -d vif-{domid}-* 2> /dev/null; true").split()
        path = f"/local/domain/{self.domid}/backend/vif/{domid}"
        return found + [path for _ in range(self.store.read(path) is not None)]

    def has_nothing_of(self, domid, seconds=15):
        """Wait until it is so. What is left, or ""."""
        wait_for(seconds, lambda: not self.served(domid))
        return " ".join(self.served(domid))
