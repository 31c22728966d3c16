# SPDX-License-Identifier: GPL-2.0
"""make install puts the module and its preference in place, and make uninstall takes back all of it."""

import os
import pathlib
import subprocess
import sys
import tempfile

from lab import settings
from lab.gates import Failed
from lab.install import release_of


def _lab(command, destdir):
    done = subprocess.run([sys.executable, "-B", "-m", "lab", command], cwd=settings.CHECKOUT, text=True,
                          env={**os.environ, "DESTDIR": str(destdir), "PYTHONPATH": str(settings.CHECKOUT)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failed([f"make {command}: exit status {done.returncode}", *done.stdout.splitlines()])


def _files(destdir):
    return {str(p.relative_to(destdir)) for p in destdir.rglob("*") if p.is_file()}


def install(context):
    release = release_of(settings.CHECKOUT / f"{settings.MODULE}.ko")
    wanted = {f"lib/modules/{release}/updates/{settings.MODULE}.ko", f"etc/modprobe.d/{settings.MODULE}.conf"}
    with tempfile.TemporaryDirectory() as name:
        destdir = pathlib.Path(name)
        _lab("install", destdir)
        if _files(destdir) != wanted:
            raise Failed([f"installed {sorted(_files(destdir))}, want {sorted(wanted)}"])
        _lab("uninstall", destdir)
        if _files(destdir):
            raise Failed([f"left behind: {sorted(_files(destdir))}"])
    return f"for {release}"
