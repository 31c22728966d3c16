# SPDX-License-Identifier: GPL-2.0
"""Formatting and lints: the kernel's for Rust and C, shellcheck and pyflakes for the scripts."""

from lab import root, settings
from lab.gates import Failed, Skipped

KERNEL = f"{root.KERNEL}/source"

# checkpatch's types that do not apply to a tree outside the kernel, or to shell: `mount -t proc proc` repeats no word, and
# lines may be as long as this project's other scripts'.
_IGNORE_IN_C = ("FILE_PATH_CHANGES", "CONFIG_DESCRIPTION", "EMBEDDED_FILENAME")
# Tracepoints are macros that look like functions in which nothing is aligned; so are the kernel's own.
_IGNORE_IN_TRACE = ("CAMELCASE", "OPEN_ENDED_LINE", "PARENTHESIS_ALIGNMENT", "COMPLEX_MACRO", "SPACING")
_IGNORE_IN_SHELL = ("REPEATED_WORD", "LONG_LINE", "LONG_LINE_COMMENT", "LONG_LINE_STRING")


def rustfmt(context):
    files = context.sources(".rs")
    if not files:
        raise Skipped("no Rust sources")
    status, lines = context.run(["rustfmt", "--check", "--color", "never", "--edition", "2021",
                                 "--config-path", f"{KERNEL}/.rustfmt.toml", *files])
    if status:
        # It follows every `mod` and so tells of a file more than once.
        blocks = ("\n" + "\n".join(lines)).split("\nDiff in ")
        raise Failed(line for block in dict.fromkeys(b for b in blocks if b.strip()) for line in block.split("\n"))
    return f"{len(files)} files"


def checkpatch(context):
    code, scripts = context.sources(".c", ".h"), _scripts(context)
    trace = [name for name in code if name.endswith("_trace.h")]
    _checkpatch(context, [name for name in code if name not in trace], _IGNORE_IN_C)
    _checkpatch(context, trace, _IGNORE_IN_C + _IGNORE_IN_TRACE)
    _checkpatch(context, scripts, _IGNORE_IN_C + _IGNORE_IN_SHELL)
    return f"{len(code)} files of C, {len(scripts)} scripts"


def _checkpatch(context, files, ignore):
    if not files:
        return
    status, lines = context.run(["perl", f"{KERNEL}/scripts/checkpatch.pl", "--no-tree", "--strict", "--terse", "--show-types",
                                 "--no-summary", "--ignore", ",".join(ignore), "-f", *files])
    found = [line for line in lines if line.startswith(tuple(files))]
    if found or status > 1:
        raise Failed(found or lines)


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
    # SC2317: it takes the functions that traps and `eval` call for dead code.
    context.need(["shellcheck", "-x", "-e", "SC2317", "-P", "SCRIPTDIR:SCRIPTDIR/..", "--format=gcc", *files])
    return f"{len(files)} files"


def pyflakes(context):
    files = context.sources(".py")
    context.need(["python3", "-m", "pyflakes", *files])
    return f"{len(files)} files"
