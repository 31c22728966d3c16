# SPDX-License-Identifier: GPL-2.0
"""Cache entries: directories named by a hash of what they are made from, whole or absent.

An entry is made in a temporary directory under its layer's lock and renamed into place, so an interrupted run leaves
only a temporary, which the next holder of the lock removes. Users hold a shared lock on the entry, so that no other
run removes it under them.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time

from lab import settings
from lab.progress import LabError, say

KEEP_ENTRIES = 2  # of a layer, besides those used in the last days
KEEP_DAYS = 7
KEEP_RUNS = 9

_held = []  # shared locks of the entries in use; they end with the process


def key_of(*parts):
    """A short hash of strings, JSON-able values and files (a Path stands for its content)."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if hasattr(part, "read_bytes") else json.dumps(part, sort_keys=True).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def place(*names):
    """A path in the cache whose parent exists."""
    path = settings.CACHE.joinpath(*names)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _lock(path, flags):
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, flags)
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def locked(name):
    """Exclusive among runs; says so when it has to wait for another one."""
    path = place("locks", name + ".lock")
    try:
        fd = _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another run that holds {path}")
        fd = _lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)


def entry(layer, key, make):
    """The directory of (layer, key); make(directory) fills it if it does not exist."""
    path = place(layer, key)
    with locked(layer):
        _sweep_temporaries(layer)
        if not path.is_dir():
            work = place("tmp", f"{layer}-{key}")
            work.mkdir()
            make(work)
            os.rename(work, path)
        _held.append(_lock(place("locks", f"{layer}-{key}.use"), fcntl.LOCK_SH))
        os.utime(path)
        _sweep_old(layer, path)
    return path


def remove_tree(path):
    """rm -r, but never through a mount."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        mounts = [line.split()[4] for line in f]
    inside = [m for m in mounts if m == str(path) or m.startswith(f"{path}/")]
    if inside:
        raise LabError(f"{path} is not removed: {inside[0]} is mounted in it\ntry: umount {inside[0]}")
    shutil.rmtree(path)


def _sweep_temporaries(layer):
    """The layer's lock is ours, so whoever made these is gone."""
    for path in settings.CACHE.glob(f"tmp/{layer}-*"):
        remove_tree(path)


def _sweep_old(layer, current):
    others = sorted((p for p in current.parent.iterdir() if p != current), key=lambda p: p.stat().st_mtime)
    for path in others[:-KEEP_ENTRIES + 1] if len(others) >= KEEP_ENTRIES else []:
        if time.time() - path.stat().st_mtime < KEEP_DAYS * 86400:
            continue
        use = place("locks", f"{layer}-{path.name}.use")
        try:
            fd = _lock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        try:
            doomed = place("tmp", f"{layer}-{path.name}.old")
            os.rename(path, doomed)
            remove_tree(doomed)
            use.unlink()
        finally:
            os.close(fd)


def runs(name):
    """A new folder for the results of one run; the oldest go."""
    base = place("runs", "x").parent
    folders = sorted(p for p in base.iterdir() if p.is_dir() and not p.is_symlink())
    for old in folders[:-KEEP_RUNS]:
        remove_tree(old)
    for image in base.glob("*/dom0.cpio"):
        # Of an interrupted run, or of one whose QEMU has read it long ago.
        if time.time() - image.stat().st_mtime > 600:
            image.unlink(missing_ok=True)
    path = base / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{os.getpid()}"
    path.mkdir()
    latest = base / f".latest-{os.getpid()}"
    latest.symlink_to(path.name)
    os.replace(latest, base / "latest")
    return path
