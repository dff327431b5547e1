#!/usr/bin/env bash
# cargo for another target than this computer: zig is the linker and brings the C library.
#
#   scripts/cross-cargo.sh <target> zigbuild|clippy [arguments of that cargo command]
#
# The places of this computer stay out of what is built, so that the same source gives the same bytes in any folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tools=$(cross_tools_dir)
target=$1
command=$2
shift 2

# rust flags of the environment would replace those of .cargo/config.toml; for a camera, the program would crash in its
# first thread. What --config says is added to them.
variable=${target//[-.]/_}
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS "CARGO_TARGET_${variable^^}_RUSTFLAGS"
# The last of several that fit counts.
places=(
    "$root=/wz_flash-helper"
    "$(cargo_target_dir)=/target"
    "${CARGO_HOME:-$HOME/.cargo}=/cargo"
    "$(cd "$root" && rustc --print sysroot)=/rust"
)
flags=$(printf "'--remap-path-prefix=%s'," "${places[@]}")

export PATH=$tools/bin:$PATH
export CARGO_ZIGBUILD_ZIG_PATH=$tools/bin/zig
export CARGO_ZIGBUILD_CACHE_DIR=$cache/cargo-zigbuild
export ZIG_GLOBAL_CACHE_DIR=$cache/zig ZIG_LOCAL_CACHE_DIR=$cache/zig

cd "$root"
exec cargo-zigbuild "$command" --target "$target" --config "target.$target.rustflags=[$flags]" "$@"
