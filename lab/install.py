# SPDX-License-Identifier: GPL-2.0
"""make install and uninstall: the module for the kernel that it was built for, and the preference over xen-netback."""

import os
import pathlib
import re
import shutil
import subprocess

from lab import settings
from lab.progress import LabError, say

KO = settings.CHECKOUT / f"{settings.MODULE}.ko"
CONF = settings.CHECKOUT / "packaging/modprobe.d/xen_netback_rs.conf"


def _below_destdir(path):
    return pathlib.Path(os.environ.get("DESTDIR") or "/") / path


def _target_conf():
    return _below_destdir("etc/modprobe.d/xen_netback_rs.conf")


def release_of(ko):
    """The kernel release in a module's vermagic."""
    match = re.search(rb"\0vermagic=(\S+) ", ko.read_bytes())
    if not match:
        raise LabError(f"{ko} has no vermagic: it is not a kernel module\ntry: make")
    return match[1].decode()


def _depmod(release):
    if not _below_destdir(f"lib/modules/{release}/modules.order").exists():
        say(f"kernel {release} is not there: depmod is left to its installation")
        return
    program = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not program:
        raise LabError("depmod is missing\ntry: apt-get install kmod, then the same command again")
    arguments = ["-b", os.environ["DESTDIR"]] if os.environ.get("DESTDIR") else []
    subprocess.run([program, *arguments, release], check=True)


def _copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)
    say(f"installed {target}")


def install():
    if not KO.exists():
        raise LabError(f"{KO} does not exist\ntry: make, then make install")
    release = release_of(KO)
    try:
        _copy(KO, _below_destdir(f"lib/modules/{release}/updates/{KO.name}"))
        if CONF.exists():
            _copy(CONF, _target_conf())
    except PermissionError as error:
        raise LabError(f"{error}\ntry: sudo make install") from error
    _depmod(release)
    if release != os.uname().release:
        say(f"the module is for kernel {release}; this machine runs {os.uname().release}")


def uninstall():
    """Takes back what install wrote, for every kernel."""
    found = sorted(_below_destdir("lib/modules").glob(f"*/updates/{KO.name}"))
    try:
        for path in [*found, *([_target_conf()] if _target_conf().exists() else [])]:
            path.unlink()
            if path.parent.name == "updates" and not any(path.parent.iterdir()):
                path.parent.rmdir()
            say(f"removed {path}")
    except PermissionError as error:
        raise LabError(f"{error}\ntry: sudo make uninstall") from error
    for path in found:
        _depmod(path.parents[1].name)
    if not found:
        say("no installed module found")
