#!/usr/bin/env bash
# cargo for the camera: musl, static, with a standard library built from rust-src, because the target has none ready.
#
#   scripts/camera-cargo.sh zigbuild|clippy [arguments of that cargo command]
#
# The profile is `camera` for clippy too: so it shares build scripts and macros with the build, and
# leaves those of the host's dev profile alone.
set -euo pipefail

command=$1
shift

# build-std is not stable; the pinned toolchain is known to have it.
export RUSTC_BOOTSTRAP=1
exec "$(dirname "${BASH_SOURCE[0]}")/cross-cargo.sh" mipsel-unknown-linux-musl "$command" \
    -Zbuild-std=std,panic_abort --profile camera "$@"
