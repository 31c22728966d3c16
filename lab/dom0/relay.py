# SPDX-License-Identifier: GPL-2.0
"""Sends what the guests print on their consoles to a serial line, each line with the guest's name.

The marks that the tests leave in the kernel's log are sent in between, so that a line can be told to belong to a test.
"""

import glob
import os
import re
import sys
import time

LOGS = "/var/log/xen/console/guest-*.log"
INTERVAL = 0.3


def main():
    out = os.open(sys.argv[1], os.O_WRONLY | os.O_NOCTTY)
    kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    positions, partial = {}, {}

    def send(text):
        data = text.encode() + b"\n"
        while data:
            data = data[os.write(out, data):]

    def relay():
        for path in sorted(glob.glob(LOGS)):
            name = re.sub(r".*/guest-(.*)\.log", r"\1", path)
            with open(path, "rb") as f:
                f.seek(positions.get(path, 0))
                data = f.read()
                positions[path] = f.tell()
            lines = (partial.get(path, "") + data.decode(errors="replace")).replace("\r", "").split("\n")
            partial[path] = lines.pop()
            for line in lines:
                send(f"{name}: {line}")

    def marks():
        while True:
            try:
                record = os.read(kmsg, 8192).decode(errors="replace")
            except BlockingIOError:
                return
            except BrokenPipeError:  # the log has overtaken us
                continue
            message = record.partition(";")[2].split("\n")[0]
            if message.startswith("selftests: "):
                relay()
                send(message)

    while True:
        marks()
        relay()
        time.sleep(INTERVAL)


main()
