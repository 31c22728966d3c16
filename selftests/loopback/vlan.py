#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""802.1Q tags are payload for the driver: full frames pass both ways with the tag
in place, and a VLAN interface on either end works."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from ipcheck import ping_sizes  # noqa: E402
from netdev import Netdev, run  # noqa: E402
from report import Report, Skip  # noqa: E402
from vif import NETNS, Vif  # noqa: E402


def test(report):
    vif = Vif(report)
    vif.ready_with_addresses()
    try:
        run("modprobe", "8021q")
    except RuntimeError as error:
        raise Skip("no 8021q module") from error
    run("ip", "link", "add", "link", vif.back.name, "name", "xnbt-vlan", "type", "vlan", "id", "7")
    run("ip", "-n", NETNS, "link", "add", "link", "eth0", "name", "vlan7", "type", "vlan", "id", "7")
    back, front = Netdev("xnbt-vlan"), Netdev("vlan7", NETNS)
    for netdev, address in ((back, "10.7.0.1"), (front, "10.7.0.2")):
        netdev.quiet()
        netdev.set_address(address)
        netdev.up()
    sizes = [0, 1, 17, 18, 56, 1467, 1468, 1472, 1473, 8192, 65507]
    for name, netns, target in (("frontend", NETNS, "10.7.0.1"), ("backend", None, "10.7.0.2")):
        why = ping_sizes(netns, target, sizes)
        report.check(f"the {name}'s side pings through VLAN 7", not why, why)
    # An MTU of 1500 within the tag: a frame of 1518 bytes.
    why = ping_sizes(None, "10.7.0.2", [1472], dont_fragment=True)
    report.check("a tagged frame of 1518 bytes passes", not why, why)
    with vif.back.socket(0x0003) as tap:
        tap.settimeout(5)
        with front.socket() as out:
            out.send(back.mac + front.mac + b"\x88\xb5" + bytes(50))
        report.check("what comes out of the vif carries the tag", seen_tagged(tap))


def seen_tagged(tap):
    """The stack takes the tag out of the frame and keeps it beside, so ask for
    the frame's metadata."""
    import struct
    tap.setsockopt(263, 8, 1)
    try:
        while True:
            data, control, _, _ = tap.recvmsg(2048, 256)
            for _, _, value in control:
                tag = struct.unpack_from("=IIIHHHH", value)[5]
                if tag & 0xFFF == 7 and data[12:14] == b"\x88\xb5":
                    return True
            if data[12:16] == b"\x81\x00\x00\x07":
                return True
    except TimeoutError:
        return False


if __name__ == "__main__":
    Report().run(test)
