# SPDX-License-Identifier: GPL-2.0
"""Makes dom0's base image and the guest's kernel and initrd. Runs inside the root.

make.py LISTS KERNEL RELEASE OUT: LISTS is this folder, KERNEL the unpacked kernel's lib/modules/RELEASE.
Images are not compressed where dom0 reads them at boot: under TCG, unpacking costs more than reading.
"""

import compileall
import glob
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys

DIRECTORIES = ("dev", "proc", "sys", "run", "tmp", "root", "etc", "usr/bin", "usr/sbin", "usr/lib/x86_64-linux-gnu",
               "usr/lib64", "var/log/xen/console", "var/lib/xen", "var/lib/xenstored")
KMOD_NAMES = ("modprobe", "insmod", "rmmod", "lsmod", "modinfo", "depmod")

# Of Python's library, what tests have no use for.
PYTHON_LEAVES_OUT = re.compile(
    r"/(test|idlelib|ensurepip|pydoc_data|turtledemo|tkinter|lib2to3|xmlrpc|wsgiref|venv|_pyrepl|curses|sqlite3|dbm|html|"
    r"unittest|__phello__|config-[^/]*|__pycache__)(/|$)|/(turtle|pydoc|doctest|_pydecimal|mailbox|imaplib|tarfile)\.py$|"
    r"/encodings/(?!(__init__|aliases|ascii|latin_1|utf_8|idna|cp437)\.py$)|"
    r"/lib-dynload/_?(codecs_|test|xx|sqlite3|tkinter|curses|dbm|gdbm|ssl|hashlib|decimal|crypt|bz2|lzma|uuid|interp)")


def words(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        yield from line.partition("#")[0].split()


class Image:
    def __init__(self, top):
        self.top = pathlib.Path(top)
        for directory in DIRECTORIES:
            (self.top / directory).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.top / name).symlink_to(f"usr/{name}")
        (self.top / "var/run").symlink_to("/run")

    def add(self, source, target=None):
        """Copies a file, following symbolic links, and the libraries that it names."""
        target = self.top / (target or source).lstrip("/")
        if target.exists() or os.path.isdir(source):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        with open(source, "rb") as f:
            if f.read(4) != b"\x7fELF":
                return
        listed = subprocess.run(["ldd", source], capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            # /lib is /usr/lib
            self.add(library, library if library.startswith("/usr") else "/usr" + library)

    def add_listed(self, path):
        for line in path.read_text(encoding="utf-8").splitlines():
            pattern, _, target = (part.strip() for part in line.partition("#")[0].partition("=>"))
            for source in sorted(glob.glob(pattern)):
                self.add(source, target + os.path.basename(source) if target else None)

    def add_python(self):
        library = f"/usr/lib/python3.{sys.version_info.minor}"
        for source in glob.glob(library + "/**", recursive=True):
            if os.path.isfile(source) and source.endswith((".py", ".so")) and not PYTHON_LEAVES_OUT.search(source):
                self.add(source)
        # Compiled only: half the size, and nothing is compiled again at every boot.
        top = self.top / library.lstrip("/")
        compileall.compile_dir(top, legacy=True, quiet=1, stripdir=str(self.top))
        for source in top.rglob("*.py"):
            source.unlink()

    def add_busybox(self):
        """An applet for every command that has no real program."""
        for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
            if not any((self.top / "usr" / where / applet).exists() for where in ("bin", "sbin")):
                (self.top / "usr/bin" / applet).symlink_to("busybox")

    def add_modules(self, kernel, release, names):
        for name in KMOD_NAMES:
            (self.top / "usr/sbin" / name).symlink_to("../bin/kmod")
        base = pathlib.Path("/tmp/modules")
        (base / "lib/modules").mkdir(parents=True, exist_ok=True)
        if not (base / "lib/modules" / release).exists():
            (base / "lib/modules" / release).symlink_to(kernel)
        target = self.top / "usr/lib/modules" / release
        target.mkdir(parents=True)
        for name in names:
            shown = subprocess.run(["modprobe", "-d", base, "-S", release, "--show-depends", name],
                                   capture_output=True, text=True)
            if shown.returncode:
                sys.exit(f"kernel {release} has no module {name}: {shown.stderr}")
            for path in re.findall(r"^insmod (\S+)", shown.stdout, re.M):
                relative = path.partition(f"/{release}/")[2]
                copy = target / relative.removesuffix(".xz")
                if not copy.exists():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(lzma.open(path).read() if path.endswith(".xz") else open(path, "rb").read())
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(f"{kernel}/{name}", target)
        subprocess.run(["depmod", "-b", self.top, release], check=True)

    def pack(self, path, compress=""):
        command = f"find . -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet {compress} > {path}"
        subprocess.run(["sh", "-c", command], cwd=self.top, check=True)


def main():
    lists, kernel, release, out = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])

    guest = Image("/tmp/guest")
    guest.add_listed(lists / "guest.files")
    guest.add_busybox()
    guest.add_modules(kernel, release, words(lists / "guest.modules"))
    shutil.copy(lists.parent / "guest/init", guest.top / "init")

    dom0 = Image("/tmp/dom0")
    dom0.add_listed(lists / "dom0.files")
    dom0.add_python()
    dom0.add_busybox()
    dom0.add_modules(kernel, release, words(lists / "dom0.modules"))
    (dom0.top / "guest").mkdir()
    guest.pack(dom0.top / "guest/initrd.gz", "| gzip -1")
    shutil.copy("/tmp/vmlinux", dom0.top / "guest/vmlinuz")
    dom0.pack(out / "dom0.cpio")


if __name__ == "__main__":
    main()
