# SPDX-License-Identifier: GPL-2.0
"""What the user can choose, from the environment (make passes its variables on)."""

import os
import pathlib

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
LAB = CHECKOUT / "lab"
MODULE = "xen_netback_rs"


def _cache_dir():
    if os.environ.get("XNB_CACHE"):
        return pathlib.Path(os.environ["XNB_CACHE"]).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base).absolute() / "xen_netback_rs"


CACHE = _cache_dir()
SUITE = os.environ.get("SUITE") or "trixie-backports"
DRIVER = os.environ.get("DRIVER") or MODULE
TESTS = os.environ.get("TESTS", "").split()
# How dom0 and the guests run on Xen: paravirtualised, or with the help of the CPU's virtualisation.
DOMAIN_TYPES = ("pv", "pvh")
DOM0 = os.environ.get("DOM0") or "pv"
GUEST_TYPE = os.environ.get("GUEST_TYPE") or "pv"
VERBOSE = os.environ.get("V", "0") not in ("", "0")
REFRESH = os.environ.get("XNB_REFRESH", "0") not in ("", "0")
JOBS = os.cpu_count() or 1

# The release that the root is bootstrapped from, and the suites that apt sees in it. A backports suite is an addition
# to its release; forky and sid stand alone.
RELEASE = SUITE.removesuffix("-backports")
SUITES = [RELEASE] if RELEASE == SUITE else [RELEASE, RELEASE + "-updates", SUITE]
