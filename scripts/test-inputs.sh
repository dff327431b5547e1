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
printf 'export WZ_KERNEL_DIR=%q WZ_BUSYBOX=%q WZ_INIT=%q\n' "$kernel" "$busybox" "$init"
