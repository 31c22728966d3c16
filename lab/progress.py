# SPDX-License-Identifier: GPL-2.0
"""Says what is being done and for how long; a command that fails shows the end of its log."""

import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

from lab import settings

START = time.monotonic()
TAIL_LINES = 30
HEARTBEAT = 30  # seconds between lines of a slow step where lines cannot be updated (CI)


class LabError(Exception):
    """An end that the user can do something about: text is shown as it is, without a traceback."""


def elapsed(since=START):
    seconds = int(time.monotonic() - since)
    return f"{seconds // 60:d}:{seconds % 60:02d}"


def say(text):
    print(f"[{elapsed():>5}] {text}", flush=True)


def die_with_parent():
    """For preexec_fn: the kernel kills the child when this process goes, however it goes."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 = PR_SET_PDEATHSIG


def tail(path, lines=TAIL_LINES):
    try:
        with open(path, "rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - 64 * 1024))
            return [line for line in f.read().decode(errors="replace").replace("\r", "").split("\n") if line][-lines:]
    except FileNotFoundError:
        return []


class Step:
    """`with Step("building") as step: step.run([...])`: one line, updated in place on a terminal."""

    def __init__(self, title, log=None, hint=None):
        self.title, self.hint = title, hint
        self.log = pathlib.Path(log) if log else None
        self.note = ""
        self.since = time.monotonic()
        self.live = sys.stdout.isatty() and not settings.VERBOSE
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self):
        self.since = time.monotonic()
        if not self.live:
            say(f"{self.title} ...")
        self._thread.start()
        return self

    def __exit__(self, kind, value, _traceback):
        self._done.set()
        self._thread.join()
        took = int(time.monotonic() - self.since)
        end = "done" if kind is None else "interrupted" if kind is KeyboardInterrupt else "FAILED"
        if self.live:
            print("\r\x1b[K", end="")
        if self.live or took >= 2 or kind is not None:
            say(f"{self.title}: {end} ({took} s)" + (f", {self.note}" if self.note and kind is None else ""))
        return False

    def _tick(self):
        while not self._done.wait(1 if self.live else HEARTBEAT):
            note = self.note or (tail(self.log, 1) or [""])[0] if self.log else self.note
            line = f"[{elapsed():>5}] {self.title} {elapsed(self.since)} {note.strip()}"
            if self.live:
                width = os.get_terminal_size().columns - 1
                print("\r\x1b[K" + "".join(c for c in line if c.isprintable())[:width], end="", flush=True)
            else:
                say(f"{self.title}: {elapsed(self.since)} {note.strip()[:120]}")

    def run(self, argv, *, check=True, stdin=None, **kwargs):
        """Runs argv with its output in the log. Returns the exit status; a failure ends the step unless check=False."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as out:
            out.write(("+ " + " ".join(map(str, argv)) + "\n").encode())
            out.flush()
            process = subprocess.Popen([str(a) for a in argv], stdin=stdin or subprocess.DEVNULL,
                                       stdout=subprocess.PIPE if settings.VERBOSE else out, stderr=subprocess.STDOUT,
                                       preexec_fn=die_with_parent, **kwargs)
            try:
                for line in process.stdout or ():
                    out.write(line)
                    sys.stdout.buffer.write(line)
                    sys.stdout.flush()
                status = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
        if status and check:
            raise self.failure(f"exit status {status}")
        return status

    def failure(self, what):
        """The error that ends this step: what happened, the end of the log, where the rest is, what to try."""
        lines = [f"{self.title} failed: {what}"]
        if self.log:
            lines += ["  | " + line for line in tail(self.log)]
            lines.append(f"the whole log: {self.log}")
        if self.hint:
            lines.append(f"try: {self.hint}")
        return LabError("\n".join(lines))
