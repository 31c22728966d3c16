#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The driver goes from under a connected frontend with traffic, and comes back:
first unbound from the device and bound again, then unloaded and loaded. The
frontend is not told (allow_rebind) and its traffic goes on, once the toolstack's
script has run again."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
from frames import Pump, drained, transfer  # noqa: E402
from netdev import run  # noqa: E402
from report import DRIVER, Report, wait_for  # noqa: E402
from vif import CONNECTED, Vif, bounded, write_file  # noqa: E402


def come_back(report, vif, how):
    """Play the script for the new interface, then look at the traffic."""
    report.need(f"the interface is back after it was {how}",
                wait_for(10, lambda: os.path.exists(f"/sys/class/net/{vif.back.name}")))
    vif.back.quiet()
    vif.back_write("hotplug-status", "connected")
    vif.back.up()
    vif.need_back(CONNECTED, f"the backend is Connected after it was {how}", 15)
    why = vif.wait_running()
    report.need(f"both ends have a carrier after the driver was {how}", not why, why)
    for name, source, target in (("to the backend", vif.front, vif.back),
                                 ("to the frontend", vif.back, vif.front)):
        # What was on the way when the driver went may be lost, or come now.
        pump = Pump(source, target)
        flowing = pump.run_until(20, 10)
        pump.close()
        report.check(f"traffic {name} flows after the driver was {how}", flowing)
        if flowing:
            wait_for(5, lambda t=target: drained(t))
            why = transfer(source, target, [60, 1514] * 200)
            report.check(f"400 frames {name}, none lost, after the driver was {how}", not why, why)


def with_traffic(vif, function, *arguments):
    """Call it while frames go both ways; True if it ended."""
    pumps = [Pump(vif.front, vif.back), Pump(vif.back, vif.front)]
    done = []

    def call():
        function(*arguments)
        done.append(True)
    for pump in pumps:
        vif.report.need("traffic flows", pump.run_until(20, 10))
    outcome = []

    def work():
        try:
            outcome.append(bounded(20, call))
        except Exception as error:
            outcome.append(error)
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        for pump in pumps:
            pump.step()
        thread.join(0.002)
    for pump in pumps:
        pump.close()
    return outcome[0]


def test(report):
    vif = Vif(report)
    vif.ready()
    driver, device = vif.backend_driver(), os.path.basename(vif.back_device)

    report.need("the driver is unbound under traffic",
                with_traffic(vif, write_file, f"{driver}/unbind", device) is True)
    report.check("its interface is gone", not os.path.exists(f"/sys/class/net/{vif.back.name}"))
    report.need("the driver is bound again", bounded(20, write_file, f"{driver}/bind", device))
    come_back(report, vif, "unbound")

    report.at_exit(run, "modprobe", "-C", "/dev/null", DRIVER)
    outcome = with_traffic(vif, run, "modprobe", "-r", DRIVER)
    report.c_fails("it holds a module reference for each vif")
    if not report.check("the module is unloaded under traffic", outcome is True, outcome):
        return
    report.check("its interface is gone", not os.path.exists(f"/sys/class/net/{vif.back.name}"))
    run("modprobe", "-C", "/dev/null", DRIVER)
    come_back(report, vif, "unloaded")


if __name__ == "__main__":
    Report().run(test)
