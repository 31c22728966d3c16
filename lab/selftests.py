# SPDX-License-Identifier: GPL-2.0
"""Runs the selftests in dom0. A dom0 that dies fails the test that it died in; the others run in a new one."""

import time

from lab import cache, image, ktap, qemu, trouble
from lab.progress import LabError, elapsed, say

SILENCE = 300  # seconds without a word on any console
MAX_BOOTS = 4


def run(build_root, tree, images, ko, names):
    """Yields results. names are the wanted tests, none for all."""
    consoles, remaining, boots = trouble.Consoles(), list(names), 0
    while True:
        boots += 1
        listed, reader, error = yield from _boot(build_root, tree, images, ko, remaining, consoles)
        finished = {result.name for result in reader.results}
        left = [name for name in listed if name not in finished]
        if error is None:
            for name in left:
                yield ktap.Result(name, ktap.FAIL, note=reader.bail or "no result")
            if not listed:
                yield ktap.Result("console/dom0", ktap.FAIL, detail=reader.detail, note=reader.bail or "no test was run")
            break
        detail = str(error).split("\n")
        if not left:
            # Nothing was listed, or dom0 died after the last test.
            yield ktap.Result("console/dom0", ktap.FAIL, detail=detail, note=detail[0])
            break
        yield ktap.Result(left[0], ktap.FAIL, detail=reader.detail + detail, note=detail[0])
        remaining = left[1:]
        if not remaining:
            break
        if boots == MAX_BOOTS:
            for name in remaining:
                yield ktap.Result(name, ktap.FAIL, note=f"not run: dom0 died {MAX_BOOTS} times")
            break
        say(f"a new dom0 for the {len(remaining)} tests that are left")
    outside = consoles.rest()
    yield ktap.Result(trouble.OUTSIDE, ktap.FAIL if outside else ktap.PASS, detail=outside,
                      note=outside[0].strip()[:70] if outside else "")


def _boot(build_root, tree, images, ko, names, consoles):
    """One dom0. Yields results as they come, except that each waits for the console lines of its test; returns the names
    of the tests, the KTAP reader, and the error if dom0 did not get to the end."""
    run_dir = cache.runs("check")
    image.dom0(run_dir, build_root, tree, images, "check.sh", ko, {"TESTS": " ".join(names)})
    listed, reader, pending, error, ended = [], ktap.Reader(), [], None, None
    said = time.monotonic()
    consoles.current.clear()
    with qemu.Machine(build_root, images, run_dir) as machine:
        try:
            for log, line in qemu.Watch(machine, SILENCE).events():
                if log == "report.log":
                    if line.startswith("lab: test "):
                        listed.append(line.split()[2])
                        reader.since = time.monotonic()
                    elif line.startswith("lab: exit "):
                        ended = int(line.split()[2])
                    else:
                        result = reader.line(line)
                        if result:
                            pending.append(result)
                elif log:
                    consoles.line(log, line)
                else:
                    # All that had arrived is read: what is pending has its console lines.
                    for result in pending:
                        said = time.monotonic()
                        yield _judge(result, consoles)
                    pending = []
                    if time.monotonic() - said > 30:
                        said = time.monotonic()
                        done = len(reader.results)
                        now = next((n for n in listed[done:]), "booting" if not listed else "ending")
                        say(f"selftests: {done} of {len(listed)} done, now {now} ({elapsed(reader.since)})")
        except LabError as hang:
            error = hang
        if ended is None and error is None:
            error = machine.trouble("dom0 ended before the tests did")
    for result in pending:
        yield _judge(result, consoles)
    return listed, reader, error


def _judge(result, consoles):
    """Trouble on a console fails a test that passed."""
    lines = consoles.trouble(result.name)
    if lines:
        if result.status != ktap.FAIL:
            result.status, result.note = ktap.FAIL, lines[0].strip()[:70]
        result.detail += ["trouble on a console during this test:"] + ["  " + line for line in lines]
    return result
