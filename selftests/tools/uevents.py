# SPDX-License-Identifier: GPL-2.0
"""The kernel's events for udev."""
import socket

NETLINK_KOBJECT_UEVENT = 15
KERNEL_GROUP = 1


class Uevents:
    """What the kernel sends to udev."""

    def __init__(self, seconds=10):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
        self.socket.bind((0, KERNEL_GROUP))
        self.socket.settimeout(seconds)

    def wait(self, action, device):
        """The variables of the next event of this kind of this device, or of one of
        which the name begins so, or None when none comes in time."""
        wanted = f"{action}@".encode(), f"/{device}".encode()
        try:
            while True:
                head, *variables = self.socket.recv(1 << 16).split(b"\0")
                if head.startswith(wanted[0]) and wanted[1] in head:
                    return dict(variable.decode().split("=", 1) for variable in variables
                                if b"=" in variable)
        except TimeoutError:
            return None
