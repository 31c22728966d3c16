# SPDX-License-Identifier: GPL-2.0
"""The Debian root in which everything is built and from which QEMU, Xen and dom0's programs come."""

import os
import shutil

from lab import apt, cache, settings
from lab.progress import LabError, Step

PACKAGE_LISTS = settings.LAB / "packages"

# Where checkout, build output, kernel and so on appear inside the root.
SRC, OBJ, KERNEL, RUN, WORK = "/lab/src", "/lab/obj", "/lab/kernel", "/lab/run", "/lab/work"


class Root:
    def __init__(self, path):
        self.path = path

    def command(self, argv, binds=(), writable=False):
        """The command line that runs argv in the root; binds are (host path, path in the root, "ro" or "rw")."""
        line = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", settings.LAB / "chroot.sh", self.path,
                "rw" if writable else "ro"]
        for bind in binds:
            line += bind
        return [str(a) for a in line + ["--", *argv]]


def wanted_packages():
    names = []
    for path in sorted(PACKAGE_LISTS.iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            names += line.partition("#")[0].split()
    return names


def get(kernel):
    """The root for this kernel: its compiler is among the packages."""
    if os.geteuid():
        raise LabError("the lab needs root (chroot and mounts)\ntry: sudo make ...")
    packages = wanted_packages() + [kernel.compiler_package]
    versions = apt.resolve(packages)
    key = cache.key_of(settings.SUITES, versions, settings.LAB / "root.py", settings.LAB / "chroot.sh")
    return Root(cache.entry("root", key, lambda path: _make(path, packages)))


def _make(path, packages):
    log = cache.place("logs", "root.log")
    log.unlink(missing_ok=True)
    hint = "check the network and the mirror in the host's apt sources, then run the same command again"
    apt.need_host_program("debootstrap", "debootstrap")
    root = Root(path)
    with Step(f"build root: debootstrap {settings.RELEASE}", log, hint) as step:
        keyring = apt.keyring()
        script = f"/usr/share/debootstrap/scripts/{settings.RELEASE}"
        if not os.path.exists(script):
            script = "/usr/share/debootstrap/scripts/sid"
        # In a namespace of its own because debootstrap mounts /proc and /sys in the new root.
        step.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                  "debootstrap", "--variant=minbase", f"--keyring={keyring}", settings.RELEASE, path, apt.mirror(), script])
    with Step(f"build root: installing {len(packages)} packages and what they need", log, hint) as step:
        apt.configure(path)
        # No service may start in the chroot.
        policy = path / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
        if os.path.exists("/etc/resolv.conf"):
            resolv = path / "etc/resolv.conf"
            resolv.unlink(missing_ok=True)
            shutil.copyfile("/etc/resolv.conf", resolv)
        (path / "lab").mkdir()
        for mountpoint in (SRC, OBJ, KERNEL, RUN, WORK):
            (path / mountpoint.lstrip("/")).mkdir()
        step.run(root.command(["apt-get", "-y", "-q", "--no-install-recommends", "install", *packages], writable=True))
        step.run(root.command(["apt-get", "clean"], writable=True))
