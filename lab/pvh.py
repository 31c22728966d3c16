# SPDX-License-Identifier: GPL-2.0
"""A PVH guest of a PVH dom0, as a part of every check: there, mapping and copying grants go other ways in the kernel."""

import dataclasses

from lab import qemu, selftests

GROUP = "pvh"
# Those of the selftests that take the driver once through everything, in a few minutes where all is emulated.
TESTS = ["guest/create"]


def names():
    return [f"{GROUP}/{name}" for name in TESTS]


def run(build_root, tree, images, ko, wanted):
    """Yields the results of the wanted ones among names()."""
    chosen = [name for name in TESTS if f"{GROUP}/{name}" in wanted]
    for result in selftests.run(build_root, tree, images, ko, chosen, domains=qemu.PVH):
        yield dataclasses.replace(result, name=f"{GROUP}/{result.name}")
