# SPDX-License-Identifier: GPL-2.0
"""make demo: dom0 runs dom0/demo.sh, its report is shown as it comes."""

from lab import cache, image, qemu, setup, trouble
from lab.progress import LabError

SILENCE = 180  # seconds


def main():
    build_root, tree, ko = setup.driver()
    images = image.base(build_root, tree)
    run_dir = cache.runs("demo")
    image.dom0(run_dir, build_root, tree, images, "demo.sh", ko)
    consoles, status, end = trouble.Consoles(), None, None
    with qemu.Machine(build_root, images, run_dir) as machine:
        for log, line in qemu.Watch(machine, SILENCE).events():
            if log != "report.log":
                consoles.line(log, line)
            elif line.startswith("lab: exit "):
                status = int(line.split()[-1])
            elif line.startswith("demo: "):
                end = line  # the last line, once everything else is known to be well
            else:
                print(line, flush=True)
        if status is None:
            raise machine.trouble("dom0 ended in the middle of the demonstration")
    found = consoles.rest()
    if found:
        raise LabError("trouble on a console:\n  " + "\n  ".join(found) +
                       f"\neverything is in {run_dir}")
    if status or not end:
        raise LabError(f"the demonstration stopped, see above\nconsoles and results are in {run_dir}")
    print(end)
