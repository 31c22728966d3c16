#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The events that udev rules of toolstacks wait for: online when the vif's network
interface is there, offline while it still is, both with script and vif."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from report import Report  # noqa: E402
from vif import INIT_WAIT, Vif  # noqa: E402

NETLINK_KOBJECT_UEVENT = 15
KERNEL_GROUP = 1


class Uevents:
    """What the kernel sends to udev."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
        self.socket.bind((0, KERNEL_GROUP))
        self.socket.settimeout(10)

    def wait(self, action, device):
        """The variables of the next event of this kind, or None after 10 s."""
        wanted = f"{action}@".encode(), f"/{device}".encode()
        try:
            while True:
                head, *variables = self.socket.recv(1 << 16).split(b"\0")
                if head.startswith(wanted[0]) and head.endswith(wanted[1]):
                    return dict(variable.decode().split("=", 1) for variable in variables
                                if b"=" in variable)
        except TimeoutError:
            return None


def test(report):
    vif = Vif(report)
    uevents = Uevents()
    device = os.path.basename(vif.back_device)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    for action in ("online", "offline"):
        if action == "offline":
            vif.detach()
        event = uevents.wait(action, device) or {}
        report.equal(f"{action}: script", event.get("script"), "/bin/true")
        report.equal(f"{action}: vif", event.get("vif"), vif.back.name)
        report.equal(f"{action}: path", event.get("XENBUS_PATH"), f"backend/vif/{vif.domid}/{vif.handle}")


if __name__ == "__main__":
    Report().run(test)
