# SPDX-License-Identifier: GPL-2.0
"""Static gates: what can be said of the sources and of the built module without running it.

A gate is a function of the Context that returns a note for the table, or raises Failed or Skipped.
"""

import dataclasses
import subprocess
import time

from lab import ktap, root, settings

GROUP = "static"


class Failed(Exception):
    """The lines say what is wrong where."""

    def __init__(self, lines):
        self.lines = list(lines)
        super().__init__("\n".join(self.lines))


class Skipped(Exception):
    pass


@dataclasses.dataclass
class Context:
    root: object
    tree: object
    module: object

    def sources(self, *suffixes):
        """The checkout's files with these suffixes, relative to it: what git knows or would add."""
        listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", settings.CHECKOUT, "ls-files", "-z", "-c", "-o",
                                 "--exclude-standard"], capture_output=True, text=True)
        if listed.returncode:
            names = [str(p.relative_to(settings.CHECKOUT)) for p in settings.CHECKOUT.rglob("*") if p.is_file()]
        else:
            names = listed.stdout.split("\0")
        return sorted(n for n in set(names) if n and n.endswith(suffixes) and (settings.CHECKOUT / n).is_file())

    def run(self, argv):
        """Runs argv in the root, in the checkout; returns (status, lines of output)."""
        command = self.root.command(["env", "-C", root.SRC, *argv], self.module.binds(self.module.output("module")))
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        return done.returncode, done.stdout.splitlines()

    def need(self, argv):
        """As run(), but a failure is the gate's."""
        status, lines = self.run(argv)
        if status:
            raise Failed(lines or [f"{argv[0]}: exit status {status}"])
        return lines


def run(context, wanted):
    """Yields a result for every wanted gate."""
    # They import this package's names.
    from lab.gates import binary, compiler, packaging, source, style

    for gate in (compiler.warnings, compiler.clippy, style.rustfmt, style.checkpatch, style.shellcheck, style.pyflakes,
                 source.unsafe, binary.no_panic, binary.symvers, binary.modinfo, packaging.install):
        name = f"{GROUP}/{gate.__name__.replace('_', '-')}"
        if not wanted(name):
            continue
        since = time.monotonic()
        try:
            result = ktap.Result(name, ktap.PASS, note=gate(context) or "")
        except Failed as failed:
            result = ktap.Result(name, ktap.FAIL, detail=failed.lines, note=failed.lines[0].strip()[:70])
        except Skipped as skipped:
            result = ktap.Result(name, ktap.SKIP, note=str(skipped))
        result.seconds = time.monotonic() - since
        yield result
