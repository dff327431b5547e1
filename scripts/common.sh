# shellcheck shell=bash
# Sourced by the scripts in this folder: where things are, and how we talk (on stderr; stdout is for results).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${WZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wz_flash-helper}
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac

# A rustup that was installed a minute ago is not on the PATH of this shell yet.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}

# The folder of zig and cargo-zigbuild, named after what is pinned in requirements.txt.
cross_tools_dir() {
    local key
    key=$(sha256sum "$root/scripts/requirements.txt")
    printf '%s/cross-%s\n' "$cache" "${key:0:12}"
}

# Where cargo builds, as an absolute path.
cargo_target_dir() {
    local target=${CARGO_TARGET_DIR:-target}
    case $target in /*) ;; *) target=$root/$target ;; esac
    printf '%s\n' "$target"
}

# The owner's tool: $WZ_PROGRAM, or what cargo builds for this computer.
wz() {
    if [ -n "${WZ_PROGRAM:-}" ]; then
        "$WZ_PROGRAM" "$@"
    else
        cargo run --quiet --manifest-path "$root/Cargo.toml" --package wz-cli -- "$@"
    fi
}
