#!/usr/bin/env bash
# cargo for the camera: musl, static, with a standard library built from rust-src, because the target has none ready.
#
#   scripts/camera-cargo.sh zigbuild|clippy [arguments of that cargo command]
#
# The profile is `camera` for clippy too: so it shares build scripts and macros with the build, and
# leaves those of the host's dev profile alone.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tools=$(cross_tools_dir)
command=$1
shift

# rust flags of the environment would replace those of .cargo/config.toml, and the program would crash in its first thread.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_MIPSEL_UNKNOWN_LINUX_MUSL_RUSTFLAGS
# build-std is not stable; the pinned toolchain is known to have it.
export RUSTC_BOOTSTRAP=1
export PATH=$tools/bin:$PATH
export CARGO_ZIGBUILD_ZIG_PATH=$tools/bin/zig
export CARGO_ZIGBUILD_CACHE_DIR=$cache/cargo-zigbuild
export ZIG_GLOBAL_CACHE_DIR=$cache/zig ZIG_LOCAL_CACHE_DIR=$cache/zig

cd "$root"
exec cargo-zigbuild "$command" -Zbuild-std=std,panic_abort --target mipsel-unknown-linux-musl --profile camera "$@"
