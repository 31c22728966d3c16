# SPDX-License-Identifier: GPL-2.0
"""The Debian kernel that dom0 and the guests run, and the tree that modules for it are built against."""

import re

from lab import apt, cache, kernel_tree, root, settings
from lab.progress import LabError


class Kernel:
    """What `linux-image-amd64` of the suite is today."""

    def __init__(self):
        closure = apt.resolve(["linux-image-amd64", "linux-headers-amd64", "linux-source"], target=settings.SUITE)
        images = [n for n in closure if re.match(r"linux-image-\d.*-amd64$", n)]
        if len(images) != 1:
            raise LabError(f"linux-image-amd64 of {settings.SUITE} names {images or 'no kernel'}, expected one")
        self.release = images[0].removeprefix("linux-image-")
        self.version = closure[images[0]]
        # How Debian splits a kernel into packages differs between suites; all parts carry the release in their name.
        self.packages = {n: v for n, v in closure.items() if n.endswith("-" + self.release)}
        sources = [n for n in closure if re.match(r"linux-source-\d", n)]
        for name in sources:
            self.packages[name] = closure[name]
        wrong = {n: v for n, v in self.packages.items() if v != self.version}
        if len(sources) != 1 or wrong:
            raise LabError(f"kernel {self.release} is {self.version}, but {wrong or 'linux-source'} does not match\n"
                           "try: make update (the mirror may be in the middle of an update)")
        depends = apt.field(f"linux-headers-{self.release}", self.version, "Depends")
        match = re.search(r"\b(gcc-\d+)\b", depends)
        if not match:
            raise LabError(f"linux-headers-{self.release} names no gcc: {depends}")
        self.compiler_package = match[1]


class Tree:
    """A kernel unpacked and prepared: packages/ is Debian's, source/ and build/ are for modules."""

    def __init__(self, path, release):
        self.path, self.release = path, release
        self.config = kernel_tree.read_config(path / "build/.config")
        self.cc = kernel_tree.compiler(self.config)

    @property
    def source(self):
        return self.path / "source"

    @property
    def build(self):
        return self.path / "build"

    @property
    def modules(self):
        """lib/modules/RELEASE of the distribution."""
        for base in ("usr/lib/modules", "lib/modules"):
            if (self.path / "packages" / base / self.release).is_dir():
                return self.path / "packages" / base / self.release
        raise LabError(f"no modules of {self.release} in {self.path}/packages")

    @property
    def vmlinuz(self):
        for path in (self.modules / "vmlinuz", self.path / f"packages/boot/vmlinuz-{self.release}"):
            if path.exists():
                return path
        raise LabError(f"no vmlinuz of {self.release} in {self.path}/packages")

    def make(self, *arguments):
        """make in the prepared tree, as seen inside the root."""
        return ["make", "-C", f"{root.KERNEL}/build", f"CC={self.cc}", f"LOCALVERSION={kernel_tree.localversion(self.release)}",
                f"-j{settings.JOBS}", *arguments]


def get(kernel, build_root):
    toolchain = {n: v for n, v in apt.resolve(root.wanted_packages() + [kernel.compiler_package]).items()
                 if re.match(r"(gcc-\d|binutils|rust|libstd-rust|bindgen|libclang|pahole|libelf|libssl)", n)}
    key = cache.key_of(kernel.packages, toolchain, settings.LAB / "kernel_tree.py")
    path = cache.entry("kernel", key, lambda work: kernel_tree.make(work, kernel, build_root))
    return Tree(path, kernel.release)

