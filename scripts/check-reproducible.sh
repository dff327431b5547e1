#!/usr/bin/env bash
# Makes the release of this commit once more, where everything else differs: the folder, the home folder, the caches (so
# that kernel, busybox and tools are made anew), the permissions of new files, language and time zone. Then all bytes
# have to be those of dist/release, or of the folder given. Takes a quarter of an hour on two cores.
#
#   scripts/check-reproducible.sh [folder]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
release=$(cd "${1:-$root/dist/release}" && pwd)
[ -z "$(git -C "$root" status --porcelain)" ] || die "something here differs from the commit, and the other folder will only have the commit"

other=$(mktemp -d "${TMPDIR:-/tmp}/wz-elsewhere.XXXXXX")
trap 'rm -rf "$other"' EXIT
toolchain=$(cd "$root" && rustc --print sysroot)
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")

git clone --quiet "$root" "$other/clone"
mkdir -p "$other/home" "$other/crates" "$other/rust/toolchains"
cp -a "$toolchain" "$other/rust/toolchains/$channel-$(rustc -vV | sed -n 's/^host: //p')"
[ ! -e "${CARGO_HOME:-$HOME/.cargo}/registry" ] || cp -a "${CARGO_HOME:-$HOME/.cargo}/registry" "$other/crates"

start=$SECONDS
(
    umask 077
    cd /
    env --unset=CARGO_TARGET_DIR --unset=XDG_CACHE_HOME --unset=WZ_VERSION --unset=RUSTUP_TOOLCHAIN \
        HOME="$other/home" USER=somebody LOGNAME=somebody CARGO_HOME="$other/crates" RUSTUP_HOME="$other/rust" \
        WZ_CACHE="$other/cache" LC_ALL=C.UTF-8 LANG=de_DE.UTF-8 TZ=Pacific/Kiritimati \
        "$other/clone/scripts/release.sh" "$other/release"
)
say "The second one took $((SECONDS - start)) s"
diff --recursive --brief "$release" "$other/release" ||
    die "the same commit gives other bytes elsewhere (the files are named above)"
echo "all $(find "$release" -type f | wc -l) files are the same, byte for byte"
