#!/usr/bin/env python3
"""Checks an SBOM (scripts/sbom.py) against Cargo.lock, that of Rust's library, and against the programs that it is about.

   scripts/check-sbom.py <sbom> <program>...

A program tells of itself which crates are in it: the places of their panics.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = re.compile(rb"/(?:cargo/registry/src/[^/\\\0]+|rust/deps)[/\\]([A-Za-z0-9_-]+?)-(\d+\.\d+\.\d+[A-Za-z0-9.+-]*)[/\\]")


def rust_library():
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return Path(sysroot.stdout.strip()) / "lib/rustlib/src/rust/library"


def crates_named_in(program):
    return {(name.decode(), version.decode()) for name, version in PLACE.findall(program.read_bytes())}


def complaints_about_form(sbom):
    if (sbom["bomFormat"], sbom["specVersion"]) != ("CycloneDX", "1.5"):
        yield "it is not CycloneDX 1.5"
    refs = Counter(c["bom-ref"] for c in [sbom["metadata"]["component"], *sbom["components"]])
    yield from (f"{ref} is there {count} times" for ref, count in refs.items() if count > 1)
    for dependency in sbom["dependencies"]:
        unknown = {dependency["ref"], *dependency["dependsOn"]} - set(refs)
        yield from (f"{dependency['ref']} refers to {ref}, which is not there" for ref in unknown)
    used = {ref for dependency in sbom["dependencies"] for ref in dependency["dependsOn"]}
    yield from (f"nothing uses {ref}" for ref in set(refs) - used - {"wz_flash-helper"})


def complaints_about_crates(sbom):
    locks = [ROOT, rust_library()]
    packages = [p for folder in locks for p in tomllib.loads((folder / "Cargo.lock").read_text())["package"]]
    checksums = {(p["name"], p["version"]): p["checksum"] for p in packages if "checksum" in p}
    for crate in sbom["components"]:
        if not crate.get("purl", "").startswith("pkg:cargo/"):
            continue
        name = f"{crate['name']} {crate['version']}"
        if crate["hashes"][0]["content"] != checksums.get((crate["name"], crate["version"])):
            yield f"{name} has not the hash that Cargo.lock has"
        if not crate["licenses"][0]["expression"]:
            yield f"{name} has no licence"


def complaints_about(program, sbom):
    listed = {(c["name"], c["version"]) for c in sbom["components"]}
    named = crates_named_in(program)
    if not named:
        yield f"{program} names no crate, so this check sees nothing"
    yield from (f"{program} has {name} {version} in it, which is not listed" for name, version in named - listed)


def main():
    path, *programs = map(Path, sys.argv[1:])
    sbom = json.loads(path.read_text())
    found = [*complaints_about_form(sbom), *complaints_about_crates(sbom)]
    for program in programs:
        found += complaints_about(program, sbom)
    for complaint in sorted(found):
        print(f"error: {path.name}: {complaint}", file=sys.stderr)
    print(f"{path.name}: {len(sbom['components'])} components, {len(found)} complaints")
    sys.exit(1 if found else 0)


main()
