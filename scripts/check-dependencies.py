#!/usr/bin/env python3
"""Checks where the dependencies come from, and that their licences go with ours. Needs no network."""

import json
import re
import subprocess
import sys

SOURCE = re.compile(r"registry\+.*/crates\.io-index")
# Permissive licences that ask for no more than a notice.
ALLOWED = {
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
}
TOKEN = re.compile(r"\s*(\(|\)|(?:AND|OR)\b|[\w.+-]+(?:\s+WITH\s+[\w.+-]+)?)")


def is_allowed(expression):
    """Whether the allowed licences satisfy an SPDX expression (`A/B` is the old way to write `A OR B`)."""
    words = TOKEN.findall((expression or "none").replace("/", " OR "))
    logic = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    return eval(" ".join(logic.get(w) or str(" ".join(w.split()) in ALLOWED) for w in words))


def complaints(package):
    name = f"{package['name']} {package['version']}"
    if not SOURCE.fullmatch(package["source"] or ""):
        yield f"{name} comes from {package['source']}, not from the public registry of crates"
    if not is_allowed(package["license"]):
        yield f"{name} has the licence '{package['license']}', which scripts/check-dependencies.py does not allow"


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    foreign = [p for p in packages if p["source"]]
    found = [c for p in foreign for c in complaints(p)]
    for complaint in found:
        print(f"error: {complaint}", file=sys.stderr)
    print(f"dependencies: {len(foreign)} checked, {len(found)} refused")
    sys.exit(1 if found else 0)


main()
