# SPDX-License-Identifier: GPL-2.0
"""python3 -m lab COMMAND: what the top Makefile runs."""

import importlib
import shutil
import sys

from lab import cache, install, settings, setup
from lab.progress import LabError, say


def build():
    _, tree, _ = setup.build()
    say(f"xen_netback_rs.ko for {tree.release} is in {settings.CHECKOUT}")


def update():
    _, tree = setup.prepare(force_refresh=True)
    say(f"{settings.SUITE} has kernel {tree.release}; root and kernel tree are ready")


def clean():
    """Removes the build output of this checkout; root and kernel stay."""
    for path in settings.CACHE.glob("build/*/checkout"):
        if path.read_text(encoding="utf-8") == str(settings.CHECKOUT):
            cache.remove_tree(path.parent)


def clean_cache():
    if settings.CACHE.is_dir():
        with cache.locked("all"):
            for path in settings.CACHE.iterdir():
                if path.name != "locks":
                    cache.remove_tree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.rmtree(settings.CACHE)
    say(f"{settings.CACHE} is removed")


COMMANDS = {"build": build, "update": update, "clean": clean, "install": install.install,
            "uninstall": install.uninstall, "clean-cache": clean_cache}


def main():
    if len(sys.argv) != 2:
        print(f"usage: python3 -m lab {'|'.join(COMMANDS)}|check|demo|shell", file=sys.stderr)
        return 2
    command = COMMANDS.get(sys.argv[1])
    if not command:
        command = importlib.import_module("lab." + sys.argv[1]).main
    try:
        for name in ("DOM0", "GUEST_TYPE"):
            if getattr(settings, name) not in settings.DOMAIN_TYPES:
                raise LabError(f"{name}={getattr(settings, name)} is none of: {' '.join(settings.DOMAIN_TYPES)}")
        return command() or 0
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
