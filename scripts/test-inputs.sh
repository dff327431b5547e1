#!/usr/bin/env bash
# Builds what the emulated camera runs, and prints where it is, for a shell to take over:
#
#   eval "$(scripts/test-inputs.sh)" && cargo test -p wz-testbed
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh"
kernel=$("$root/qemu/build-kernel.sh" | tail -n 1)
busybox=$("$root/qemu/get-busybox.sh" | tail -n 1)
init=$("$root/scripts/build-camera.sh" | tail -n 1)
voices=$("$root/scripts/make-voices.sh" | tail -n 1)
cards=$(cargo_target_dir)/testbed/cards
for soc in t20 t31; do
    "$root/scripts/image.sh" "$soc" "" "$cards/$soc" >&2
done
printf 'export WZ_KERNEL_DIR=%q WZ_BUSYBOX=%q WZ_INIT=%q WZ_VOICES=%q WZ_CARDS=%q WZ_TOOL=%q\n' \
    "$kernel" "$busybox" "$init" "$voices" "$cards" "$(cargo_target_dir)/debug/wz"
