#!/usr/bin/env bash
# Builds the camera's program. The last line of stdout is its path.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh" host camera
"$root/scripts/camera-cargo.sh" zigbuild --package wz-initramfs "$@" >&2

init=$(cargo_target_dir)/mipsel-unknown-linux-musl/camera/wz-initramfs

# Byte 16 of an ELF file: 2 is a program at a fixed address, 3 a static-pie (see .cargo/config.toml).
[ "$(od -An -tu1 -j16 -N1 "$init" | tr -d ' ')" = 2 ] || die "$init is not linked at a fixed address and would crash in its first thread"
echo "$init"
