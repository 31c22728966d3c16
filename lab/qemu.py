# SPDX-License-Identifier: GPL-2.0
"""Xen and dom0 in QEMU: with KVM where it works, else emulated."""

import os
import pathlib
import signal
import subprocess
import threading
import time

from lab import cache, root
from lab.progress import LabError, Step, die_with_parent, say, tail

MEMORY, DOM0_MEMORY, CPUS = 3072, 1536, 2

XEN_ARGUMENTS = (f"loglvl=warning guest_loglvl=warning com1=115200,8n1 console=com1 dom0_mem={DOM0_MEMORY}M,max:{DOM0_MEMORY}M "
                 f"dom0_max_vcpus={CPUS} sched=credit")
LINUX_ARGUMENTS = "console=hvc0 loglevel=5 printk.devkmsg=on panic=5 net.ifnames=0"

KVM = ("KVM", ["-accel", "kvm", "-cpu", "host"])
# Xen would use the emulated SVM, which costs time and gives a PV dom0 nothing. Without XSAVE and with it AVX: with them,
# programs in dom0 and guests crashed now and then, with either network driver.
TCG = ("emulation (TCG)", ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,-svm,-xsave,-avx,-avx2"])

PROBE_SECONDS = 20


def accelerator(build_root, images):
    """The faster one of KVM and TCG that works."""
    if not os.path.exists("/dev/kvm"):
        return TCG
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    known = cache.place("kvm", f"{boot}-{images.name}")
    if not known.exists():
        with Step("does /dev/kvm work") as step:
            works = _kvm_boots_xen(build_root, images)
            step.note = "yes" if works else "no"
        for old in known.parent.iterdir():
            old.unlink()
        known.write_text("yes" if works else "no", encoding="utf-8")
    return KVM if known.read_text(encoding="utf-8") == "yes" else TCG


def _kvm_boots_xen(build_root, images):
    """/dev/kvm may exist and not work, or run simple code and fail in a hypervisor: boot Xen until dom0's kernel speaks."""
    argv = ["qemu-system-x86_64", *KVM[1], "-smp", CPUS, "-m", MEMORY, "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-kernel", f"{root.KERNEL}/xen", "-append", XEN_ARGUMENTS,
            "-initrd", f"{root.KERNEL}/vmlinux console=hvc0 earlyprintk=xen panic=1"]
    process = subprocess.Popen(build_root.command(argv, [(images, root.KERNEL, "ro")]), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
    alarm = threading.Timer(PROBE_SECONDS, process.kill)
    alarm.start()
    try:
        for line in process.stdout:
            if b"Linux version" in line:
                return True
            if b"KVM internal error" in line:
                return False
        return False
    finally:
        alarm.cancel()
        process.kill()
        process.wait()


class Machine:
    """A running Xen. Its files are in run_dir: console.log (Xen and dom0), report.log (the task), guests.log."""

    LOGS = ("console.log", "report.log", "guests.log")

    def __init__(self, build_root, images, run_dir, interactive=False, xen=True):
        """With xen=False, dom0's kernel and files without Xen beneath."""
        self.run_dir = run_dir
        how, options = accelerator(build_root, images)
        what = "Xen and dom0" if xen else "dom0's kernel without Xen"
        say(f"booting {what} with {how}; all output is kept in {run_dir}")
        for name in self.LOGS:
            (run_dir / name).touch()
        files = f"{root.RUN}/%s"
        # A multiplexed terminal knows Ctrl-A X.
        console = "stdio,mux=on,signal=off" if interactive else "null"
        initrd = files % "dom0.cpio"
        boot = ["-kernel", f"{root.KERNEL}/xen", "-append", XEN_ARGUMENTS,
                "-initrd", f"{root.KERNEL}/vmlinux {LINUX_ARGUMENTS},{initrd}"]
        if not xen:
            boot = ["-kernel", f"{root.KERNEL}/vmlinux", "-initrd", initrd,
                    "-append", LINUX_ARGUMENTS.replace("hvc0", "ttyS0")]
        argv = ["qemu-system-x86_64", *options, "-smp", CPUS, "-m", MEMORY, "-nodefaults", "-display", "none", "-no-reboot",
                "-chardev", f"{console},id=console,logfile={files % 'console.log'}", "-serial", "chardev:console",
                "-chardev", f"file,id=report,path={files % 'report.log'}", "-device", "pci-serial,chardev=report,addr=4",
                "-chardev", f"file,id=guests,path={files % 'guests.log'}", "-device", "pci-serial,chardev=guests,addr=5", *boot]
        binds = [(images, root.KERNEL, "ro"), (run_dir, root.RUN, "rw")]
        self.log = open(run_dir / "qemu.log", "wb")
        own = {} if interactive else {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log,
                                      "start_new_session": True}
        self.process = subprocess.Popen(build_root.command(argv, binds), preexec_fn=die_with_parent, **own)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        if self.running():
            self.process.send_signal(signal.SIGKILL)  # unshare --kill-child takes QEMU with it
        self.process.wait()
        self.log.close()
        (self.run_dir / "dom0.cpio").unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def trouble(self, what):
        """The error for a machine that ended or hangs: what, and the ends of its console and of QEMU's messages."""
        lines = [what]
        for name in ("qemu.log", "console.log"):
            end = tail(self.run_dir / name)
            if end:
                lines += [f"the end of {name}:"] + ["  | " + line for line in end]
        lines.append(f"everything is in {self.run_dir}")
        return LabError("\n".join(lines))


class Follower:
    """Reads the lines that are added to a log."""

    def __init__(self, path):
        self.file, self.partial = open(path, "rb"), b""

    def lines(self):
        data = self.partial + self.file.read()
        *whole, self.partial = data.split(b"\n")
        return [line.replace(b"\r", b"").decode(errors="replace") for line in whole]


class Watch:
    """Follows a machine's three logs until it ends; a machine that is silent for too long is dead."""

    def __init__(self, machine, silence):
        self.machine, self.silence = machine, silence
        self.followers = {name: Follower(machine.run_dir / name) for name in machine.LOGS}

    def events(self):
        """Yields (log name, line), and ("", "") now and then. Ends when the machine has; raises if it hangs."""
        last = time.monotonic()
        while True:
            running = self.machine.running()
            for name, follower in self.followers.items():
                for line in follower.lines():
                    last = time.monotonic()
                    yield name, line
            if not running:
                return
            if time.monotonic() - last > self.silence:
                raise self.machine.trouble(f"dom0 has said nothing for {self.silence} s: it hangs")
            yield "", ""
            time.sleep(0.2)
