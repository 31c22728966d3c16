# SPDX-License-Identifier: GPL-2.0
"""make shell: dom0's console on this terminal."""

import os
import select
import subprocess
import sys

from lab import cache, image, qemu, setup
from lab.progress import LabError


def main():
    if not sys.stdin.isatty():
        raise LabError("make shell needs a terminal; make demo and make check do without")
    build_root, tree, ko = setup.driver()
    images = image.base(build_root, tree)
    run_dir = cache.runs("shell")
    size = os.get_terminal_size()
    image.dom0(run_dir, build_root, tree, images, "shell", ko,
               {"LINES": str(size.lines), "COLUMNS": str(size.columns)})
    with qemu.Machine(build_root, images, run_dir, interactive=True) as machine:
        terminal = select.poll()
        terminal.register(sys.stdin, 0)
        while machine.running():
            try:
                machine.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                if terminal.poll(0):  # hung up: QEMU would go on without it
                    return
