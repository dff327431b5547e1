#!/usr/bin/env bash
# Prints the version of what is built from this folder: that of Cargo.toml if the commit has the tag v<version>, else
# <version>-g<commit>. Behind it stands -dirty if anything differs from the commit.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || die "Cargo.toml tells no version"
commit=$(git rev-parse HEAD) ||
    die "this folder is no clone of the repository (git's own message is above), so there is no commit to name"
tagged=$(git rev-parse --quiet --verify "refs/tags/v$version^{commit}" || true)
changes=$(git status --porcelain)

[ "$tagged" = "$commit" ] || version+=-g${commit:0:10}
[ -z "$changes" ] || version+=-dirty
echo "$version"
