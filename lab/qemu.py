# SPDX-License-Identifier: GPL-2.0
"""Xen and dom0 in QEMU: with KVM where it works, else emulated."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import threading
import time

from lab import cache, root, settings
from lab.progress import LabError, Step, die_with_parent, say, tail

MEMORY, DOM0_MEMORY, CPUS = 3072, 1536, 2

XEN_ARGUMENTS = (f"loglvl=warning guest_loglvl=warning com1=115200,8n1 console=com1 dom0_mem={DOM0_MEMORY}M,max:{DOM0_MEMORY}M "
                 f"dom0_max_vcpus={CPUS} sched=credit")
LINUX_ARGUMENTS = "console=hvc0 loglevel=5 printk.devkmsg=on panic=5 net.ifnames=0"

KVM, TCG = "KVM", "emulation (TCG)"

# Without XSAVE and with it AVX: with them, programs in dom0 and guests crashed now and then, with either network driver.
TCG_CPU = "max,-xsave,-avx,-avx2"

PROBE_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Domains:
    """How dom0 and the guests run on Xen: "pv" or "pvh"."""

    dom0: str = settings.DOM0
    guest: str = settings.GUEST_TYPE

    def __str__(self):
        return f"{self.dom0.upper()} dom0, {self.guest.upper()} guests"

    @property
    def virtualised(self):
        """Does Xen need the CPU's virtualisation?"""
        return "pvh" in (self.dom0, self.guest)

    @property
    def xen_arguments(self):
        return XEN_ARGUMENTS + (" dom0=pvh" if self.dom0 == "pvh" else "")

    def machine(self, accelerator):
        """QEMU's options for a machine that Xen can run them on."""
        if accelerator == KVM:
            options = ["-accel", "kvm", "-cpu", "host"]
        else:
            # Xen would use an SVM that it finds, which costs time and gives PV domains nothing. Where it is needed: QEMU's
            # takes the intercept of RDTSCP for that of RDTSC.
            cpu = TCG_CPU + (",-rdtscp" if self.virtualised else ",-svm")
            options = ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", cpu]
        if self.dom0 == "pvh":
            # Xen maps what the firmware has reserved, and in it the ACPI tables, into a PVH dom0 only together with an
            # IOMMU; without them dom0 finds no interrupts and cannot power off.
            options += ["-machine", "q35", "-device", "intel-iommu"]
        return options


PV = Domains("pv", "pv")
PVH = Domains("pvh", "pvh")


def accelerator(build_root, images, domains):
    """The faster one of KVM and TCG that works for such domains."""
    if not os.path.exists("/dev/kvm"):
        return TCG
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    current = f"{boot}-{images.name}"
    known = cache.place("kvm", current + ("-virtualised" if domains.virtualised else ""))
    if not known.exists():
        what = "does /dev/kvm work" + (" with virtualisation in it" if domains.virtualised else "")
        with Step(what) as step:
            works = _kvm_boots_xen(build_root, images, domains.virtualised)
            step.note = "yes" if works else "no"
        for old in known.parent.iterdir():
            if not old.name.startswith(current):
                old.unlink(missing_ok=True)
        known.write_text("yes" if works else "no", encoding="utf-8")
    return KVM if known.read_text(encoding="utf-8") == "yes" else TCG


def _kvm_boots_xen(build_root, images, virtualised):
    """/dev/kvm may exist and not work, or run simple code and fail in a hypervisor: boot Xen until dom0's kernel speaks,
    a PVH dom0's to see whether KVM gives Xen virtualisation that works."""
    probe = PVH if virtualised else PV
    argv = ["qemu-system-x86_64", *probe.machine(KVM), "-smp", CPUS, "-m", MEMORY, "-nodefaults", "-display", "none",
            "-no-reboot", "-serial", "stdio", "-kernel", f"{root.KERNEL}/xen", "-append", probe.xen_arguments,
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

    def __init__(self, build_root, images, run_dir, interactive=False, domains=Domains()):
        """With domains=None, dom0's kernel and files without Xen beneath."""
        self.run_dir = run_dir
        what = f"Xen ({domains})" if domains else "dom0's kernel without Xen"
        how = accelerator(build_root, images, domains or PV)
        say(f"booting {what} with {how}; all output is kept in {run_dir}")
        for name in self.LOGS:
            (run_dir / name).touch()
        files = f"{root.RUN}/%s"
        # A multiplexed terminal knows Ctrl-A X.
        console = "stdio,mux=on,signal=off" if interactive else "null"
        initrd = files % "dom0.cpio"
        if domains:
            boot = ["-kernel", f"{root.KERNEL}/xen", "-append", domains.xen_arguments,
                    "-initrd", f"{root.KERNEL}/vmlinux {LINUX_ARGUMENTS},{initrd}"]
        else:
            boot = ["-kernel", f"{root.KERNEL}/vmlinux", "-initrd", initrd,
                    "-append", LINUX_ARGUMENTS.replace("hvc0", "ttyS0")]
        argv = ["qemu-system-x86_64", *(domains or PV).machine(how), "-smp", CPUS, "-m", MEMORY, "-nodefaults",
                "-display", "none", "-no-reboot", "-chardev", f"{console},id=console,logfile={files % 'console.log'}", "-serial", "chardev:console",
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
