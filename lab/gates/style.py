# SPDX-License-Identifier: GPL-2.0
"""Formatting and lints: the kernel's for Rust and C, shellcheck and pyflakes for the scripts."""

from lab import root, settings
from lab.gates import Failed, Skipped

KERNEL = f"{root.KERNEL}/source"

# checkpatch's types that do not apply: it knows only the kernel's own tree and patches.
_CHECKPATCH_IGNORE = ("FILE_PATH_CHANGES", "CONFIG_DESCRIPTION", "EMBEDDED_FILENAME")


def rustfmt(context):
    files = context.sources(".rs")
    if not files:
        raise Skipped("no Rust sources")
    context.need(["rustfmt", "--check", "--edition", "2021", "--config-path", f"{KERNEL}/.rustfmt.toml", *files])
    return f"{len(files)} files"


def checkpatch(context):
    files = context.sources(".c", ".h") + _scripts(context)
    # It warns where it cannot find the maintainers' file, hence --no-tree; what it reports is listed, not summed up.
    status, lines = context.run(["perl", f"{KERNEL}/scripts/checkpatch.pl", "--no-tree", "--strict", "--terse", "--show-types",
                                 "--no-summary", "--ignore", ",".join(_CHECKPATCH_IGNORE), "-f", *files])
    found = [line for line in lines if line.startswith(tuple(files))]
    if found or status > 1:
        raise Failed(found or lines)
    return f"{len(files)} files"


def _scripts(context):
    """Shell scripts: by name or by their first line."""
    found = []
    for name in context.sources(""):
        path = settings.CHECKOUT / name
        with open(path, "rb") as f:
            first = f.readline(80)
        if name.endswith(".sh") or first.startswith((b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash")):
            found.append(name)
    return found


def shellcheck(context):
    files = _scripts(context)
    context.need(["shellcheck", "-x", "--format=gcc", *files])
    return f"{len(files)} files"


def pyflakes(context):
    files = context.sources(".py")
    context.need(["python3", "-m", "pyflakes", *files])
    return f"{len(files)} files"
