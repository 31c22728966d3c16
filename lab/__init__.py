# SPDX-License-Identifier: GPL-2.0
"""The lab: builds the module and boots Xen, dom0 and guests in QEMU to test it.

Needs a Debian-like x86-64 machine with git, make, python3 and root; everything else is fetched into a cache.
"""
