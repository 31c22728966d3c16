# SPDX-License-Identifier: GPL-2.0
"""Base images (cached: hypervisor, dom0, guest) and the per-run part of dom0's file system.

Linux unpacks concatenated cpio archives one after the other: what changes from run to run (the module, the tests,
dom0's scripts) is a small archive behind the base, so a changed source costs no new image.
"""

import pathlib
import shlex
import shutil
import subprocess
import tempfile

from lab import cache, root, settings
from lab.progress import LabError, Step

LISTS = settings.LAB / "images"
MODPROBE_CONF = settings.CHECKOUT / "packaging/modprobe.d/xen_netback_rs.conf"


def base(build_root, tree):
    """The directory with xen, vmlinux and dom0.cpio."""
    key = cache.key_of(build_root.path.name, tree.path.name, settings.LAB / "image.py", settings.LAB / "guest/init",
                       *sorted(LISTS.iterdir()))
    return cache.entry("images", key, lambda work: _make(work, build_root, tree))


def _make(work, build_root, tree):
    log = cache.place("logs", "images.log")
    log.unlink(missing_ok=True)
    inside = pathlib.PurePath(root.KERNEL)
    modules = inside / tree.modules.relative_to(tree.path)
    vmlinuz = inside / tree.vmlinuz.relative_to(tree.path)
    hypervisors = sorted((build_root.path / "boot").glob("xen-*.gz"))
    if not hypervisors:
        raise LabError(f"no hypervisor in {build_root.path}/boot\ntry: make clean-cache")
    # vmlinuz is unpacked here: Xen and xl would do it under emulation, at every boot.
    script = f"""set -e
        {inside}/source/scripts/extract-vmlinux {vmlinuz} > /tmp/vmlinux
        cp /tmp/vmlinux {root.OBJ}/vmlinux
        gzip -dc /boot/{hypervisors[-1].name} > {root.OBJ}/xen
        python3 {root.SRC}/lab/images/make.py {root.SRC}/lab/images {modules} {tree.release} {root.OBJ}
        ls -l {root.OBJ}"""
    with Step("images of dom0 and guest", log) as step:
        binds = [(settings.CHECKOUT, root.SRC, "ro"), (tree.path, root.KERNEL, "ro"), (work, root.OBJ, "rw")]
        step.run(build_root.command(["sh", "-c", script], binds))


def dom0(run_dir, build_root, tree, images, task, module=None, environment=None):
    """Writes run_dir/dom0.cpio: the base image and this run's files. task is the script in lab/dom0 that init starts."""
    with tempfile.TemporaryDirectory(dir=run_dir) as name:
        top = pathlib.Path(name) / "top"
        (top / "lab").mkdir(parents=True)
        for path in (settings.LAB / "dom0").iterdir():
            shutil.copy(path, top / "lab" / path.name)
        shutil.copy(settings.LAB / "dom0/init", top / "init")
        (top / "init").chmod(0o755)
        values = {"DRIVER": settings.DRIVER, "TASK": task, "GUEST_KERNEL": "/guest/vmlinuz",
                  "GUEST_RAMDISK": "/guest/initrd.gz", "GUEST_TYPE": settings.GUEST_TYPE, **(environment or {})}
        (top / "lab/environment").write_text(
            "".join(f"export {key}={shlex.quote(value)}\n" for key, value in values.items()), encoding="utf-8")
        if (settings.CHECKOUT / "selftests").is_dir():
            shutil.copytree(settings.CHECKOUT / "selftests", top / "selftests", symlinks=True)
        if module:
            updates = top / "usr/lib/modules" / tree.release / "updates"
            updates.mkdir(parents=True)
            shutil.copy(module, updates)
            if MODPROBE_CONF.exists():
                (top / "etc/modprobe.d").mkdir(parents=True)
                shutil.copy(MODPROBE_CONF, top / "etc/modprobe.d")
        overlay = pathlib.Path(name) / "overlay.cpio"
        script = f"cd {root.WORK}/top && find . | cpio -o -H newc -R 0:0 --quiet > ../overlay.cpio"
        subprocess.run(build_root.command(["sh", "-c", script], [(name, root.WORK, "rw")]), check=True)
        target = run_dir / "dom0.cpio"
        shutil.copyfile(images / "dom0.cpio", target)
        with open(target, "ab") as whole, open(overlay, "rb") as part:
            shutil.copyfileobj(part, whole)
    return target
