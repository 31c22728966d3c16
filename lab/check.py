# SPDX-License-Identifier: GPL-2.0
"""make check: host tests, static gates, selftests on Xen; one table at the end."""

import fnmatch
import re

from lab import gates, hosttests, image, ktap, module, outside, selftests, settings, setup
from lab.progress import LabError, say

GROUPS_HERE = (hosttests.GROUP, gates.GROUP, outside.GROUP)


def _wanted(name):
    """TESTS names tests or groups; patterns may be used."""
    return not settings.TESTS or any(
        name == t or name.startswith(t.rstrip("/") + "/") or fnmatch.fnmatchcase(name, t) for t in settings.TESTS)


def _group_wanted(group):
    return not settings.TESTS or any(t.split("/")[0] == group for t in settings.TESTS)


def _show(result):
    seconds = "" if result.seconds is None else f" ({result.seconds:.0f} s)"
    say(f"{result.status:>4} {result.name}{seconds}" + (f": {result.note}" if result.note else ""))
    if result.status == ktap.FAIL or settings.VERBOSE:
        for line in result.detail:
            if settings.VERBOSE or not re.match(r"\s+ok \d", line):  # of a failed test, not the parts that are well
                print(f"        | {line}", flush=True)


def _collect(results, only_failures=False):
    collected = []
    for result in results:
        if result.status == ktap.FAIL or not only_failures:
            _show(result)
        collected.append(result)
    return collected


def table(results):
    width = max(len(r.name) for r in results)
    lines = [f"{'test':<{width}}  result  seconds"]
    for r in results:
        seconds = "" if r.seconds is None else f"{r.seconds:.1f}"
        lines.append(f"{r.name:<{width}}  {r.status:<6}  {seconds:>7}" + (f"  {r.note}" if r.note else ""))
    return "\n".join(lines)


def main():
    results, ko = [], None
    build_root, tree = setup.prepare()
    if settings.DRIVER == settings.MODULE:
        built = module.Module(build_root, tree)
        # From nothing, so that the gates see every warning.
        built.build(fresh=True)
        ko = built.install_in_checkout()
        if _group_wanted(hosttests.GROUP):
            results += _collect((r for r in hosttests.run(build_root) if _wanted(r.name)), only_failures=True)
        if _group_wanted(gates.GROUP):
            results += _collect(gates.run(gates.Context(build_root, tree, built), _wanted))
        if _wanted(outside.NAME):
            results += _collect([outside.run(build_root, tree, image.base(build_root, tree), ko)])
    else:
        say(f"DRIVER={settings.DRIVER}: only the selftests have to do with it")
    in_dom0 = [t for t in settings.TESTS if t.split("/")[0] not in GROUPS_HERE]
    if in_dom0 or not settings.TESTS:
        if not (settings.CHECKOUT / "selftests/run").exists():
            raise LabError(f"{settings.CHECKOUT}/selftests/run is missing")
        images = image.base(build_root, tree)
        results += _collect(selftests.run(build_root, tree, images, ko, in_dom0))
    if not results:
        raise LabError(f"no test is called {' '.join(settings.TESTS)}\ntry: make check without TESTS, which lists them all")
    count = {status: sum(r.status == status for r in results) for status in (ktap.PASS, ktap.FAIL, ktap.SKIP)}
    print("\n" + table(results) + "\n")
    print(f"{count[ktap.PASS]} passed, {count[ktap.FAIL]} failed, {count[ktap.SKIP]} skipped")
    return 1 if count[ktap.FAIL] else 0
