#!/usr/bin/env python3
"""Prints the licence texts of the crates that an SBOM (scripts/sbom.py) names; each text once.

   scripts/notices.py <sbom>
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXTS = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
RULE = "=" * 100


def packages_of(sbom):
    wanted = {(c["name"], c["version"]) for c in sbom["components"] if c.get("purl", "").startswith("pkg:cargo/")}
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
    return [p for p in metadata["packages"] if (p["name"], p["version"]) in wanted]


def texts_of(package):
    """The texts in a package's folder; of one that has none, what its manifest says."""
    folder = Path(package["manifest_path"]).parent
    found = [p for p in sorted(folder.iterdir()) if p.is_file() and TEXTS.match(p.name)]
    texts = ["\n".join(p.read_text(errors="replace").split("\r\n")).strip() for p in found]
    authors = ", ".join(package["authors"]) or package["repository"] or "its authors"
    return texts or [f"The package has no licence text. Its manifest says: {package['license']}, by {authors}."]


def main():
    users = defaultdict(list)
    for package in sorted(packages_of(json.loads(Path(sys.argv[1]).read_text())), key=lambda p: p["name"]):
        for text in texts_of(package):
            users[text].append(f"{package['name']} {package['version']} ({package['license']})")
    for text, names in users.items():
        print(RULE, *names, RULE, "", text, "", sep="\n")


main()
