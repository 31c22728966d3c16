# SPDX-License-Identifier: GPL-2.0
"""Loads the driver on a machine without Xen: it must refuse, and say why."""

import time

from lab import cache, image, ktap, qemu
from lab.progress import LabError

GROUP = "boot"
NAME = f"{GROUP}/outside-xen"
SILENCE = 120  # seconds without a word on any console
WHY = "this machine does not run under Xen"


def run(build_root, tree, images, ko):
    run_dir = cache.runs("outside")
    image.dom0(run_dir, build_root, tree, images, "outside.sh", ko)
    since, seen = time.monotonic(), []
    try:
        with qemu.Machine(build_root, images, run_dir, domains=None) as machine:
            for log, line in qemu.Watch(machine, SILENCE).events():
                if log:
                    seen.append(f"{log}: {line}")
    except LabError as hang:
        return ktap.Result(NAME, ktap.FAIL, time.monotonic() - since, str(hang).split("\n"), "the machine hangs")
    refused = any("No such device" in line for line in seen) and any("lab: modprobe 1" in line for line in seen)
    said = any(WHY in line for line in seen)
    passed = refused and said
    return ktap.Result(NAME, ktap.PASS if passed else ktap.FAIL, time.monotonic() - since, [] if passed else seen[-30:],
                       "" if passed else f"refused: {refused}, said why: {said}")
