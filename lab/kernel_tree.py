# SPDX-License-Identifier: GPL-2.0
"""Unpacks a Debian kernel and prepares its source for building modules.

Debian's headers packages have no Rust metadata, so the tree is made from the kernel's source with the kernel's own
configuration, and has to be made by the very compilers that Debian used.
"""

import glob
import os
import re
import shutil
import subprocess

from lab import apt, cache, root, settings
from lab.progress import LabError, Step


def make(work, kernel, build_root):
    log = cache.place("logs", "kernel.log")
    log.unlink(missing_ok=True)
    packages = work / "packages"
    debs = work / "debs"
    debs.mkdir()
    packages.mkdir()
    with Step(f"kernel {kernel.release}: download", log, "make update, then the same command again") as step:
        step.run(apt.download_command(kernel.packages), cwd=debs)
    with Step(f"kernel {kernel.release}: unpack", log, f"df -h {settings.CACHE} (2.5 GB are needed)") as step:
        for deb in sorted(debs.glob("*.deb")):
            step.run(["dpkg-deb", "-x", deb, packages])
        shutil.rmtree(debs)
        archives = glob.glob(str(packages / "usr/src/linux-source-*.tar.*"))
        if not (packages / "lib").exists():
            (packages / "lib").symlink_to("usr/lib")
        step.run(build_root.command(["depmod", "-b", f"{root.KERNEL}/packages", kernel.release], [(work, root.KERNEL, "rw")]))
        source = work / "source"
        source.mkdir()
        step.run(["tar", "-C", source, "--strip-components=1", "-xf", archives[0]])
        os.unlink(archives[0])
    with Step(f"kernel {kernel.release}: prepare for building modules", log) as step:
        headers = packages / f"usr/src/linux-headers-{kernel.release}"
        build = work / "build"
        build.mkdir()
        shutil.copyfile(headers / ".config", build / ".config")
        config = read_config(headers / ".config")
        _check_tools(config, build_root)
        binds = [(work, root.KERNEL, "rw")]
        make_line = ["make", "-C", f"{root.KERNEL}/source", f"O={root.KERNEL}/build", f"CC={compiler(config)}",
                f"LOCALVERSION={localversion(kernel.release)}", f"-j{settings.JOBS}"]
        step.run(build_root.command([*make_line, "olddefconfig"], binds))
        if read_config(build / ".config").get("CONFIG_RUST") != "y":
            raise step.failure("CONFIG_RUST is off after olddefconfig: the tools are not what the kernel needs")
        step.run(build_root.command([*make_line, "modules_prepare"], binds))
        release = (build / "include/config/kernel.release").read_text().strip()
        if release != kernel.release:
            raise step.failure(f"the tree calls itself {release}, the kernel is {kernel.release}")
        shutil.copyfile(headers / "Module.symvers", build / "Module.symvers")
        if (headers / "vmlinux").exists():
            # Holds the kernel's BTF, the base of the module's.
            shutil.copyfile(headers / "vmlinux", build / "vmlinux")


def read_config(path):
    pairs = re.findall(r'^(CONFIG_\w+)="?(.*?)"?$', path.read_text(encoding="utf-8"), re.M)
    return dict(pairs)


def compiler(config):
    return config["CONFIG_CC_VERSION_TEXT"].split()[0]


def localversion(release):
    """What follows the numbers in a release: +deb13-amd64 of 7.3.4+deb13-amd64."""
    return re.sub(r"^[\d.]+(-rc\d+)?", "", release)


def _check_tools(config, build_root):
    """The metadata of the kernel's Rust crates is of use only to the compiler that made the kernel."""
    for program, wanted in (("rustc", config.get("CONFIG_RUSTC_VERSION_TEXT", "")),
                            ("bindgen", config.get("CONFIG_BINDGEN_VERSION_TEXT", "")),
                            (compiler(config), config["CONFIG_CC_VERSION_TEXT"])):
        if not wanted:
            raise LabError(f"this kernel's configuration names no {program}: it is built without Rust\n"
                           "try: a SUITE with a newer kernel (trixie-backports, forky or sid)")
        done = subprocess.run(build_root.command([program, "--version"]), capture_output=True, text=True)
        found = (done.stdout.splitlines() or [done.stderr.strip()])[0]
        # The C compiler's name may differ (gcc-14, x86_64-linux-gnu-gcc-14); the rest has to be the same.
        if found.split()[1:] != wanted.split()[1:]:
            raise LabError(f"the kernel was built by: {wanted}\nthis root has:           {found}\n"
                           "try: make update, or wait until the suite's kernel and compilers agree again")
