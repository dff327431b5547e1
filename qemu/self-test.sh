#!/bin/bash
# Boots the emulated camera's kernel with busybox and proves, from inside the guest, what the rest of the project
# relies on; first of all that the flash is a NOR chip. One line per check; fails if any check does.
set -euo pipefail
cd "$(dirname "$0")"

kernel=$(./build-kernel.sh | tail -n 1)
busybox=$(./get-busybox.sh | tail -n 1)
work=$(mktemp -d "${TMPDIR:-/tmp}/wz-self-test.XXXXXX")
qemu=
cleanup() {
	[ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

failures=0
ok() { echo "ok $*"; }
fail() { echo "FAIL $*"; failures=$((failures + 1)); }

make_initrd() {
	local module
	mipsel-linux-gnu-gcc -Wall -O1 -nostdlib -static -ffreestanding -mno-abicalls -fno-pic \
		-o "$work/erase" self-test/erase.c
	{
		for dir in dev proc sys tmp bin modules; do echo "dir /$dir 755 0 0"; done
		echo "nod /dev/console 600 0 0 c 5 1"
		echo "file /init self-test/guest.sh 755 0 0"
		echo "file /bin/busybox $busybox 755 0 0"
		echo "file /bin/erase $work/erase 755 0 0"
		for module in "$kernel"/modules/*.ko; do echo "file /modules/${module##*/} $module 644 0 0"; done
	} >"$work/initrd.list"
	"$kernel/gen_init_cpio" "$work/initrd.list" >"$work/initrd"
}

# A card as the cameras want it: MBR, one partition of type 0x0c from sector 2048, FAT32.
make_card() {
	local sectors=131072 start=2048
	truncate -s $((sectors * 512)) "$work/card.img"
	mkfs.vfat -F 32 --offset $start "$work/card.img" $(((sectors - start) / 2)) >/dev/null
	printf '\x00\x00\x00\x00\x0c\x00\x00\x00\x00\x08\x00\x00\x00\xf8\x01\x00' |
		dd of="$work/card.img" bs=1 seek=446 conv=notrunc status=none
	printf '\x55\xaa' | dd of="$work/card.img" bs=1 seek=510 conv=notrunc status=none
	echo "from the host" >"$work/text"
	mcopy -i "$work/card.img@@1M" "$work/text" '::A long name.txt'
}

# make_flash <MiB>: no block is erased
make_flash() { head -c $(($1 << 20)) /dev/zero | tr '\0' '\245' >"$work/flash.img"; }

# start <part> <qemu options...>
start() {
	local part=$1
	shift
	: >"$work/serial"
	qemu-system-mipsel -M malta -cpu 24Kf -m 94 -nodefaults -no-reboot -display none -monitor none \
		-kernel "$kernel/vmlinux" -initrd "$work/initrd" -append "wz.part=$part loglevel=1" \
		-serial "file:$work/serial" "$@" 2>>"$work/qemu.log" &
	qemu=$!
}

# until_serial <text>: waits for a line that says it, at most 40 seconds
until_serial() { timeout 40 sh -c 'tail -n +1 -F "$1" 2>/dev/null | grep -qm1 "$2"' - "$work/serial" "$1"; }

# until_off: the guest ends QEMU by itself
until_off() {
	timeout 40 tail --pid="$qemu" -f /dev/null || { fail "$1: QEMU did not end"; kill -9 "$qemu"; }
	wait "$qemu" 2>/dev/null || true
	qemu=
}

# Passes on the guest's own checks.
collect() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok "*) ok "${line#ok }" ;;
		"FAIL "*) fail "${line#FAIL }" ;;
		esac
	done < <(tr -d '\r' <"$work/serial")
	grep -q '^finished' "$work/serial" || { fail "$1: the guest did not finish"; tail -n 30 "$work/serial" "$work/qemu.log"; }
}

# flash_is <what> <offset> <length> <byte in octal>
flash_is() {
	if cmp -s <(tail -c +$(($2 + 1)) "$work/flash.img" | head -c "$3") <(head -c "$3" /dev/zero | tr '\0' "\\$4"); then
		ok "$1"
	else
		fail "$1"
	fi
}

flash() { echo "-drive file=$work/flash.img,format=raw,if=none,id=flash -device virtio-blk-pci,drive=flash"; }

in_the_guest() {
	make_flash 16
	start checks $(flash) -drive "file=$work/card.img,format=raw,if=none,id=card" \
		-device sdhci-pci -device sd-card,drive=card -device i6300esb \
		-audiodev none,id=audio -device ES1370,audiodev=audio
	until_off checks
	collect checks
	if grep -q 'wz-nor: erases=1 programmed=301 read=8 set_bits=1' "$work/serial"; then
		ok "the counters are on the console at reboot"
	else
		fail "the counters on the console at reboot: $(grep wz-nor "$work/serial" || echo none)"
	fi
	if [ "$(mtype -i "$work/card.img@@1M" ::answer.txt)" = "from the guest" ]; then
		ok "the card took a file"
	else
		fail "the card took a file"
	fi
}

killed_after_a_write() {
	make_flash 16
	start kill $(flash)
	until_serial '^finished' || true
	kill -9 "$qemu"
	wait "$qemu" 2>/dev/null || true
	qemu=
	collect kill
	flash_is "killed: the byte programmed last is in the file" 0 1 0
	flash_is "killed: so is the block before it" 1 32767 132
	flash_is "killed: so is the erased block" 32768 32768 377
	flash_is "killed: the next block is untouched" 65536 32768 245
}

power_cut_by_the_kernel() {
	make_flash 8
	start cut $(flash)
	until_off cut
	collect cut
	flash_is "cut_after: what came before is whole" 0 8192 0
	flash_is "cut_after: the block is half erased" 32768 16384 377
	flash_is "cut_after: and half old" 49152 16384 245
}

without_flash() {
	start no-flash
	until_off no-flash
	collect no-flash
}

make_initrd
make_card
in_the_guest
killed_after_a_write
power_cut_by_the_kernel
without_flash
[ "$failures" = 0 ] || { echo "$failures checks failed"; exit 1; }
echo "all checks passed"
