#!/usr/bin/env python3
"""Prints what a release is made of, as CycloneDX 1.5 (JSON).

The same inputs give the same bytes: the time is SOURCE_DATE_EPOCH, and the serial number is a hash of the rest.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
# What we build, and what C library is linked with it.
PROGRAMS = [
    ("wz", "wz-cli", "x86_64-unknown-linux-musl", "musl"),
    ("wz.exe", "wz-cli", "x86_64-pc-windows-gnu", "mingw-w64"),
    ("wz-initramfs", "wz-initramfs", "mipsel-unknown-linux-musl", "musl"),
]


def output_of(*command):
    # Rust's library is built with what is not stable; the pinned toolchain is known to have it.
    environment = os.environ | {"RUSTC_BOOTSTRAP": "1"}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment).stdout


RUST_LIBRARY = Path(output_of("rustc", "--print", "sysroot").strip()) / "lib/rustlib/src/rust/library"


def licence(expression):
    """`A/B` is the old way to write `A OR B`."""
    return [{"expression": re.sub(r"\s*/\s*", " OR ", expression)}]


def sha256(content):
    return [{"alg": "SHA-256", "content": content}]


def tree(manifest, package, target, *options):
    """Name, version, licence and origin of each package that is linked into a program."""
    lines = output_of(
        *["cargo", "tree", "--locked", "--manifest-path", manifest, "--package", package, "--target", target, *options],
        *["--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"],
    )
    for line in lines.splitlines():
        place, terms = line.split("|")
        name, version, *origin = place.split()
        yield name, version.removeprefix("v"), terms, bool(origin)


def crates_in(package, target):
    """Name, version and licence of the crates in a program, those of Rust's own library included."""
    ours = ((*crate, terms) for *crate, terms, _ in tree(ROOT / "Cargo.toml", package, target))
    library = tree(RUST_LIBRARY / "Cargo.toml", "std", target, "--features", "backtrace")
    return {*ours, *((*crate, terms) for *crate, terms, is_part_of_rust in library if not is_part_of_rust)}


def crate_ref(name, version):
    return f"pkg:cargo/{name}@{quote(version)}"


def crates(wanted):
    """The components of crates, with the hashes that Cargo.lock has."""
    locks = [tomllib.loads((folder / "Cargo.lock").read_text())["package"] for folder in (ROOT, RUST_LIBRARY)]
    checksums = {(p["name"], p["version"]): p.get("checksum") for packages in locks for p in packages}
    for name, version, terms in sorted(wanted):
        component = {
            "type": "library",
            "bom-ref": crate_ref(name, version),
            "name": name,
            "version": version,
            "licenses": licence(terms),
        }
        if checksum := checksums[name, version]:  # the workspace's own have none
            component |= {"hashes": sha256(checksum), "purl": crate_ref(name, version)}
        yield component


def debian_package(name):
    return output_of("dpkg-query", "--show", "--showformat", "${Version}", name)


def debian_purl(name, version, arch):
    return f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={arch}"


def upstream(version):
    """`1:1.35.0-4+b4` -> `1.35.0`"""
    return re.sub(r"^\d+:|-[^-]*$", "", version)


def patches(paths):
    return [{"type": "unofficial", "diff": {"url": str(p.relative_to(ROOT))}} for p in sorted(paths)]


def busybox(folder):
    """Built from Debian's source package, whose files lie in the folder `source`."""
    [description] = (folder / "source").glob("*.dsc")
    [version] = re.findall(r"^Version: (.*)$", description.read_text(), re.MULTILINE)
    sources = [
        {"type": "distribution", "url": path.name, "hashes": sha256(hashlib.sha256(path.read_bytes()).hexdigest())}
        for path in sorted((folder / "source").iterdir())
    ]
    return {
        "type": "application",
        "bom-ref": "busybox",
        "name": "busybox",
        "version": upstream(version),
        "hashes": sha256(hashlib.sha256((folder / "busybox").read_bytes()).hexdigest()),
        "licenses": licence("GPL-2.0-only"),
        "purl": debian_purl("busybox", version, "source"),
        "externalReferences": sources,
    }


def emulator_kernel():
    version = debian_package("linux-source-6.1")
    return {
        "type": "operating-system",
        "bom-ref": "linux",
        "name": "linux",
        "version": upstream(version),
        "description": "The emulated camera's kernel, on the cards that are named after the emulator",
        "licenses": licence("GPL-2.0-only WITH Linux-syscall-note"),
        "purl": debian_purl("linux-source-6.1", version, "all"),
        "pedigree": {"patches": patches((ROOT / "qemu/patches").glob("*.patch"))},
    }


def voices():
    version = debian_package("espeak-ng")
    return {
        "type": "data",
        "bom-ref": "voices",
        "name": "voices",
        "version": upstream(version),
        "description": "Recordings that espeak-ng (GPL-3.0-or-later) spoke; it is not part of the release itself",
        "purl": debian_purl("espeak-ng", version, "amd64"),
    }


def libraries(zig):
    """What the linker brings: the C libraries, as zig has them, and Rust's own library."""
    libc = Path(zig).resolve().parent / "lib/libc"
    text = (libc / "musl/src/internal/version.h").read_text()
    musl = re.search(r'VERSION "(.*)"', text)[1]
    text = (libc / "include/any-windows-any/_mingw_mac.h").read_text()
    mingw = ".".join(re.search(rf"__MINGW64_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "BUGFIX"))
    rust = output_of("rustc", "--version").split()[1]
    for name, version, terms in [
        ("rust-std", rust, "MIT OR Apache-2.0"),
        ("musl", musl, "MIT"),
        ("mingw-w64", mingw, "ZPL-2.1"),
        ("zig", output_of(zig, "version").strip(), "MIT"),
    ]:
        yield {"type": "library", "bom-ref": name, "name": name, "version": version, "licenses": licence(terms)}


def programs(version, contents):
    for name, package, target, libc in PROGRAMS:
        component = {
            "type": "application",
            "bom-ref": name,
            "name": name,
            "version": version,
            "description": f"built for {target}",
            "licenses": licence("MIT OR Apache-2.0"),
        }
        refs = [crate_ref(name, version) for name, version, _ in contents[package, target]]
        yield component, {"ref": name, "dependsOn": sorted([*refs, "rust-std", libc, "zig"])}


def document(options):
    contents = {(package, target): crates_in(package, target) for _, package, target, _ in PROGRAMS}
    ours, dependencies = zip(*programs(options.version, contents))
    components = [*ours, busybox(options.busybox), *libraries(options.zig)]
    components += [voices()] if options.voices else []
    components += [emulator_kernel()] if options.emulator else []
    components += crates(set().union(*contents.values()))
    parts = [c["bom-ref"] for c in components if c["type"] != "library"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc).isoformat(),
            "component": {
                "type": "application",
                "bom-ref": "wz_flash-helper",
                "name": "wz_flash-helper",
                "version": options.version,
                "licenses": licence("MIT OR Apache-2.0"),
            },
        },
        "components": components,
        "dependencies": [
            {"ref": "wz_flash-helper", "dependsOn": parts},
            *dependencies,
            {"ref": "busybox", "dependsOn": ["musl", "zig"]},
        ],
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--version", required=True, help="of the release")
    arguments.add_argument("--zig", required=True, help="the program zig")
    arguments.add_argument("--busybox", required=True, type=Path, help="the folder that qemu/get-busybox.sh makes")
    arguments.add_argument("--voices", action="store_true", help="there are recordings in it")
    arguments.add_argument("--emulator", action="store_true", help="there are cards for the emulated camera")
    bom = document(arguments.parse_args())
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True))
    json.dump(bom | {"serialNumber": f"urn:uuid:{serial}"}, sys.stdout, indent=1)
    print()


main()
