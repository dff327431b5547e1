#!/usr/bin/env python3
"""Packs a folder into a zip file. The same names and contents give the same bytes; the time is SOURCE_DATE_EPOCH.

   scripts/zip.py <zip file> <folder>
"""

import os
import sys
import time
import zipfile
from pathlib import Path


def main():
    target, folder = map(Path, sys.argv[1:])
    moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix(), moment)
            entry.create_system = 3  # Unix: the permissions are Unix's
            entry.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


main()
