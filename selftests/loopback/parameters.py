#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# time-limit: 180
"""The module's parameters: names, permissions, defaults, and what each does, for
vifs that come later if it is changed while the module is loaded."""
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from netdev import ETHERTYPE  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402
from ring_frontend import ERROR, MORE_DATA, RingFrontend  # noqa: E402
from vif import CLOSING, INIT_WAIT, Vif, load_driver, read_file, write_file  # noqa: E402

DIRECTORY = f"/sys/module/{DRIVER.replace('-', '_')}/parameters"
FOREVER = (1 << 32) - 1
NET_RX_IDLE = 300  # polls a second of a vif that only waits: a handful


def read(name):
    return read_file(f"{DIRECTORY}/{name}")


def there(report):
    """The seven that configurations may set."""
    queues = str(min(8, os.cpu_count()))
    want = {"separate_tx_rx_irq": (0o644, "Y"), "max_queues": (0o644, queues),
            "rx_drain_timeout_msecs": (0o444, "10000"), "rx_stall_timeout_msecs": (0o444, "60000"),
            "fatal_skb_slots": (0o444, "20"), "hash_cache_size": (0o644, "64"),
            "provides_xdp_headroom": (0o644, "Y")}
    got = {name: (stat.S_IMODE(os.stat(f"{DIRECTORY}/{name}").st_mode), read(name))
           for name in os.listdir(DIRECTORY)}
    report.equal("names, permissions and defaults", got, want)


def offers(report):
    """What a vif offers is decided when it is made."""
    old = Vif(report, handle=11)
    old.attach(netfront=False)
    old.need_back(INIT_WAIT)
    names = ("multi-queue-max-queues", "feature-split-event-channels", "feature-xdp-headroom")
    before = [old.back_read(name) for name in names]
    write_file(f"{DIRECTORY}/max_queues", "3")
    write_file(f"{DIRECTORY}/separate_tx_rx_irq", "N")
    write_file(f"{DIRECTORY}/provides_xdp_headroom", "N")
    new = Vif(report, handle=12)
    new.attach(netfront=False)
    new.need_back(INIT_WAIT)
    report.equal("a vif that is made after a change", [new.back_read(name) for name in names],
                 ["3", "0", "0"])
    report.equal("one that was there before", [old.back_read(name) for name in names], before)
    if DRIVER != "xen-netback":  # takes as many as the parameter says, of a device that has fewer
        report.need("max_queues is above what the old one offers", int(before[0]) < 5)
        write_file(f"{DIRECTORY}/max_queues", "5")
        front = RingFrontend(old, queues=5)
        front.connect()
        old.need_back(CLOSING, "the one from before still refuses more queues than it offered")
        front.withdraw()
    for name, value in (("separate_tx_rx_irq", "Y"), ("provides_xdp_headroom", "Y"),
                        ("hash_cache_size", "0"), ("hash_cache_size", "128")):
        write_file(f"{DIRECTORY}/{name}", value)
        report.equal(f"{name} can be written", read(name), value)
    for vif in (old, new):
        problem = vif.detach()
        report.need("detach", not problem, problem)


def connect(vif):
    front = RingFrontend(vif)
    front.post_buffers([(0, front.grants.page()[1])])
    front.connect_and_wait()
    vif.need_open()
    return front


def net_rx():
    for line in read_file("/proc/softirqs").splitlines():
        if line.strip().startswith("NET_RX:"):
            return sum(int(number) for number in line.split()[1:])
    raise LookupError("NET_RX")


def no_timeouts(report):
    """A stall timeout of 0 is none, and the longest drain timeout is no short one."""
    load_driver("rx_stall_timeout_msecs=0", f"rx_drain_timeout_msecs={FOREVER}")
    report.equal("timeouts", [read(f"rx_{name}_timeout_msecs") for name in ("stall", "drain")],
                 ["0", str(FOREVER)])
    vif = Vif(report)
    vif.attach(netfront=False)
    vif.need_back(INIT_WAIT)
    front = connect(vif)
    before = vif.back.counters()[7]
    with vif.back.socket() as sock:
        for _ in range(3):
            sock.send(b"\xff" * 6 + vif.back.mac + ETHERTYPE.to_bytes(2, "big") + bytes(46))
    report.equal("one of three packets has a buffer", len(front.received(1)), 1)
    report.check("the carrier stays while two wait", not wait_for(2, lambda: not vif.back.running()))
    start = net_rx()
    report.check("nobody looks all the time", not wait_for(1, lambda: net_rx() - start > NET_RX_IDLE),
                 f"{net_rx() - start} NET_RX softirqs in a second")
    report.equal("none is dropped", vif.back.counters()[7], before)
    front.post_buffers([(number, front.grants.page()[1]) for number in (1, 2)])
    report.equal("they come when there are buffers", len(front.received(2)), 2)
    problem = vif.detach()
    report.need("detach", not problem, problem)


def slots(report):
    """fatal_skb_slots decides between a drop and a cut-off."""
    for given, shown, fatal in ((None, "20", False), (5, "18", True), (30, "30", False)):
        load_driver(*([f"fatal_skb_slots={given}"] if given else []))
        report.equal(f"fatal_skb_slots={given}: sysfs shows what counts", read("fatal_skb_slots"), shown)
        vif = Vif(report)
        vif.attach(netfront=False)
        vif.need_back(INIT_WAIT)
        front = connect(vif)
        memory, gref = front.grants.page()
        memory[:100] = b"\xff" * 12 + ETHERTYPE.to_bytes(2, "big") + bytes(86)
        front.send_slots([(gref, 0, 100, MORE_DATA)] + [(gref, 0, 1, MORE_DATA)] * 18 + [(gref, 0, 1, 0)])
        name = f"fatal_skb_slots={given}: 19 slots after the first"
        if fatal:
            report.check(f"{name} cost the carrier", wait_for(10, lambda: not vif.back.running()))
        else:
            report.equal(f"{name} are answered with errors",
                         [status for _, status in front.statuses(20)], [ERROR] * 20)
            report.check(f"{name} leave the carrier", vif.back.running())
        problem = vif.detach()
        report.need("detach", not problem, problem)


def test(report):
    report.at_exit(load_driver)
    load_driver()
    there(report)
    offers(report)
    no_timeouts(report)
    slots(report)


if __name__ == "__main__":
    Report().run(test)
