#!/usr/bin/env bash
# Everything that is judged without running it. A warning is an error.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

"$root/scripts/setup.sh" host camera lint

step() {
    say "> $*"
    "$@"
}

step cargo fmt --all --check
# SC2046: functions that print several options are split into words on purpose
step shellcheck --severity=warning --exclude=SC2046 --external-sources --source-path=SCRIPTDIR .ci/run ./*/*.sh wz-cli/card/scripts/*.sh
step cargo test --locked --quiet --package wz-core --lib profile:: # the catalogue of profiles is in order
step python3 -I scripts/check-dependencies.py
step cargo clippy --locked --workspace --all-targets -- -D warnings
step scripts/camera-cargo.sh clippy --locked --package wz-core --package wz-initramfs -- -D warnings
step cargo clippy --locked --package wz-cli --target x86_64-pc-windows-gnu -- -D warnings
