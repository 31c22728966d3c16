#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Drive the shell that a guest offers on its console.

console.py DOMID SECONDS COMMAND   run COMMAND in the guest, print its output,
                                   exit with its status (255: no answer in time)
console.py DOMID SECONDS           wait until the shell answers

It talks to the pty that xenconsoled made for the guest, whose name is in
xenstore, so it works while the guest has no network. One command a process,
and one process a guest at a time.
"""
import os
import re
import select
import shlex
import subprocess
import sys
import termios
import time
import tty

NO_ANSWER = 255


def console_tty(domid, deadline):
    """The guest's pty; it appears in xenstore soon after the guest is made."""
    path = f"/local/domain/{domid}/console/tty"
    while time.monotonic() < deadline:
        out = subprocess.run(["xenstore-read", path], capture_output=True, text=True)
        if out.returncode == 0 and out.stdout.strip():
            return out.stdout.strip()
        time.sleep(0.1)
    sys.exit(f"console: no {path}")


class Console:
    """An open pty. Commands are wrapped in marks, so that what the guest's
    terminal echoes and what its kernel prints meanwhile are told apart."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd, termios.TCSANOW)
        termios.tcflush(self.fd, termios.TCIFLUSH)
        self.seen = b""

    def write(self, data):
        while data:
            select.select([], [self.fd], [], 1)
            try:
                data = data[os.write(self.fd, data):]
            except BlockingIOError:
                pass

    def read_until(self, pattern, deadline):
        """The match of pattern in what has come so far, or None at the deadline."""
        while True:
            match = pattern.search(self.seen)
            if match:
                return match
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except (BlockingIOError, OSError):
                    time.sleep(0.05)

    def wait_for_shell(self, deadline):
        """Ask until there is an answer: before the shell runs, nobody listens."""
        while time.monotonic() < deadline:
            tag = f"{time.monotonic_ns():x}"
            self.write(f"\necho RE''ADY-{tag}\n".encode())
            pattern = re.compile(f"READY-{tag}".encode())
            if self.read_until(pattern, min(deadline, time.monotonic() + 2)):
                return True
        return False

    def run(self, command, deadline):
        """(status, output) of one command line, or None."""
        tag = f"{os.getpid():x}{time.monotonic_ns():x}"
        # eval, because the command may end with "&".
        self.write(f"echo BE''GIN-{tag}; eval {shlex.quote(command)}; "
                   f"echo EN''D-{tag} $?\n".encode())
        pattern = re.compile(f"BEGIN-{tag}\r*\n(.*?)END-{tag} (\\d+)".encode(), re.S)
        # Output may stay in the console's ring until the next event, when
        # xenconsoled has held a talkative guest back: an empty line is one.
        match, nudges = None, 0
        while match is None:
            if time.monotonic() >= deadline:
                return None
            match = self.read_until(pattern, min(deadline, time.monotonic() + 3))
            if match is None:
                self.write(b"\n")
                nudges += 1
        self.seen = self.seen[match.end():]
        output = match[1].decode(errors="replace").replace("\r", "")
        for _ in range(nudges):
            # What the terminal echoed of it while there was no output yet.
            output = output.removeprefix("\n")
        return int(match[2]), output


def main():
    domid, seconds, command = sys.argv[1], float(sys.argv[2]), " ".join(sys.argv[3:])
    deadline = time.monotonic() + seconds
    console = Console(console_tty(domid, deadline))
    if not command:
        return 0 if console.wait_for_shell(deadline) else NO_ANSWER
    result = console.run(command, deadline)
    if result is None:
        print(f"console: no answer within {seconds:.0f} s to: {command}", file=sys.stderr)
        print(console.seen[-2000:].decode(errors="replace"), file=sys.stderr)
        return NO_ANSWER
    sys.stdout.write(result[1])
    return result[0]


if __name__ == "__main__":
    sys.exit(main())
