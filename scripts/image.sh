#!/usr/bin/env bash
# Makes the SD card of a camera.
#
#   scripts/image.sh <soc> [kernel uImage [folder]]     without a kernel: the emulated camera's; folder: dist/<soc>
#
# With KERNEL_TREE, the kernel is built from that tree (scripts/kernel-tree.sh).
# VOICES names what it says, a file of voices/ (en); with VOICES= it says nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
soc=$1
kernel=${2:-}
out=${3:-$root/dist/$soc}
[ -z "$kernel" ] || [ -z "${KERNEL_TREE:-}" ] || die "KERNEL= and KERNEL_TREE= exclude each other: which kernel is it to be?"

"$root/scripts/setup.sh" host camera
if [ -n "${KERNEL_TREE:-}" ]; then
    kernel=$("$root/scripts/kernel-tree.sh" "$soc" "$KERNEL_TREE" | tail -n 1)
elif [ -z "$kernel" ]; then
    "$root/scripts/setup.sh" kernel
    kernel=$("$root/qemu/build-kernel.sh" | tail -n 1)/uImage
fi
[ -f "$kernel" ] || die "there is no kernel '$kernel' (KERNEL= takes the path of a uImage)"
busybox=$("$root/qemu/get-busybox.sh" | tail -n 1)
init=$("$root/scripts/build-camera.sh" | tail -n 1)
voices=()
[ -z "${VOICES=en}" ] || voices=(--voices "$("$root/scripts/make-voices.sh" "$VOICES" | tail -n 1)")

wz image --soc "$soc" --kernel "$kernel" --init "$init" --busybox "$busybox" "${voices[@]}" --out "$out"
