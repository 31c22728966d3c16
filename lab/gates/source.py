# SPDX-License-Identifier: GPL-2.0
"""Where `unsafe` and the raw bindings may be used.

rust/netif has none, rust/vif only the reviewed lines of unsafe-allowed, everything else belongs in rust/xen and rust/net.
"""

import re

from lab import settings
from lab.gates import Failed

ALLOWED = settings.LAB / "gates/unsafe-allowed"

_NOT_CODE = re.compile(r'//.*|"(?:[^"\\]|\\.)*"')
_WORDS = {"rust/vif": re.compile(r"\bunsafe\b|\bbindings\b"), "rust/netif": re.compile(r"\bunsafe\b")}


def _allowed():
    pairs = set()
    for line in ALLOWED.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            file, _, code = line.partition(": ")
            pairs.add((file, code.strip()))
    return pairs


def unsafe(context):
    allowed, used, wrong, count = _allowed(), set(), [], {}
    for file in context.sources(".rs"):
        folder = "/".join(file.split("/")[:2]).removesuffix(".rs")
        for number, line in enumerate((settings.CHECKOUT / file).read_text(encoding="utf-8").splitlines(), 1):
            code = _NOT_CODE.sub("", line)
            found = len(re.findall(r"\bunsafe\b", code))
            if found:
                count[folder] = count.get(folder, 0) + found
            if folder in _WORDS and _WORDS[folder].search(code):
                pair = (file, line.strip())
                if pair in allowed:
                    used.add(pair)
                else:
                    wrong.append(f"{file}:{number}: {line.strip()}")
    wrong += [f"{ALLOWED.name}: no longer there: {file}: {code}" for file, code in sorted(allowed - used)]
    if wrong:
        raise Failed(wrong)
    return ", ".join(f"{folder} {count.get(folder, 0)}" for folder in sorted({*count, *_WORDS}))
