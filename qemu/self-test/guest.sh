#!/bin/busybox sh
# Runs as /init in the emulated camera. Prints `ok <what>` or `FAIL <what>: <why>` per check, then `finished`.
# What it does after the checks of the NOR chip depends on `wz.part=` on the command line.
bb=/bin/busybox
$bb --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t debugfs debugfs /sys/kernel/debug

nor=/sys/module/block2mtd/parameters
chip=/sys/class/mtd/mtd0
block=32768

# is <what> <expected> <actual>
is() {
	if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAIL $1: expected '$2', got '$3'"; fi
}
# holds <what> <command...>
holds() {
	local what=$1
	shift
	if "$@"; then echo "ok $what"; else echo "FAIL $what: $*"; fi
}

erase() { /bin/erase /dev/mtd0 "$1" "$2"; }
# program <offset> <byte in octal> <length>
program() { head -c "$3" /dev/zero | tr '\0' "\\$2" | dd of=/dev/mtd0 bs="$3" iflag=fullblock seek="$1" oflag=seek_bytes conv=notrunc 2>/dev/null; }
# bytes <offset> <length>: in hex
bytes() { dd if=/dev/mtd0 bs=1 skip="$1" count="$2" 2>/dev/null | hexdump -ve '/1 "%02x"'; }
# filled_with <offset> <length> <byte in octal>
filled_with() {
	head -c "$2" /dev/zero | tr '\0' "\\$3" >/tmp/fill
	dd if=/dev/mtd0 bs="$2" skip="$1" iflag=skip_bytes count=1 2>/dev/null | cmp -s - /tmp/fill
}
param() { cat "$nor/$1"; }
set_param() { echo "$2" >"$nor/$1"; }
reset_counters() {
	local counter
	for counter in erases programmed read set_bits erase_counts; do set_param $counter 0; done
}
now() { awk '{ printf "%d", $1 * 100 }' /proc/uptime; }
# centiseconds <command...>: how long it took
centiseconds() {
	local before=$(now)
	"$@" >/dev/null 2>&1
	echo $(($(now) - before))
}

the_chip_is_nor() {
	is "type" nor "$(cat $chip/type)"
	is "name" jz_sfc "$(cat $chip/name)"
	is "size" 16777216 "$(cat $chip/size)"
	is "erase size" $block "$(cat $chip/erasesize)"
	is "write size" 1 "$(cat $chip/writesize)"
	is "flags are those of NOR flash" 0xc00 "$(cat $chip/flags)"
	is "no partitions" 1 "$(grep -c ^mtd /proc/mtd)"
}

bits_are_only_cleared() {
	erase 0 $block
	holds "an erased block is all 0xff" filled_with 0 $block 377
	program 16 360 4
	is "programming clears bits" fff0f0f0f0ff "$(bytes 15 6)"
	program 16 17 2
	is "programming again only clears more bits" 0000f0f0 "$(bytes 16 4)"
	program 16 377 4
	is "programming 0xff changes nothing" 0000f0f0 "$(bytes 16 4)"
	erase 0 $block
	is "erasing sets the bits again" ffffffff "$(bytes 16 4)"
}

the_counters_are_right() {
	erase 0 $((2 * block))
	reset_counters
	erase 0 $((2 * block))
	erase $block $block
	program 100 125 300
	is "erases are counted" 3 "$(param erases)"
	is "erases are counted per block" "1 2 0" "$(param erase_counts | cut -d' ' -f1-3)"
	is "there is a count for every block" 512 "$(param erase_counts | wc -w)"
	is "programmed bytes are counted" 300 "$(param programmed)"
	is "nothing tried to set a bit" 0 "$(param set_bits)"
	program 100 252 300
	is "pages in which a bit should have been set are counted" 2 "$(param set_bits)"
	set_param read 0
	dd if=/dev/mtd0 of=/dev/null bs=5000 count=20 2>/dev/null
	is "read bytes are counted" 100000 "$(param read)"
	reset_counters
	is "counters can be reset" "0 0 0 0 0" \
		"$(param erases) $(param programmed) $(param read) $(param set_bits) $(param erase_counts | cut -d' ' -f2)"
}

# Each operation takes a second or more with delays, and less than half of that without.
time_passes_as_asked() {
	local fast slow
	erase 0 $((10 * block))
	fast=$(centiseconds erase 0 $((10 * block)))
	set_param erase_us 100000
	slow=$(centiseconds erase 0 $((10 * block)))
	set_param erase_us 0
	holds "erase_us slows erasing ($fast -> $slow cs)" [ $slow -ge 100 -a $((2 * fast)) -lt $slow ]

	fast=$(centiseconds program 0 0 $block)
	set_param program_us 8000
	slow=$(centiseconds program $block 0 $block)
	set_param program_us 0
	holds "program_us slows programming ($fast -> $slow cs)" [ $slow -ge 100 -a $((2 * fast)) -lt $slow ]

	fast=$(centiseconds dd if=/dev/mtd0 bs=1024 count=200)
	set_param read_us 5000
	slow=$(centiseconds dd if=/dev/mtd0 bs=1024 count=200)
	set_param read_us 0
	holds "read_us slows reading ($fast -> $slow cs)" [ $slow -ge 100 -a $((2 * fast)) -lt $slow ]
}

faults_happen() {
	erase 0 $block
	set_param stuck_byte 17
	program 16 0 4
	is "a stuck byte cannot be programmed" 00ff0000 "$(bytes 16 4)"
	set_param stuck_byte 18
	erase 0 $block
	is "a stuck byte cannot be erased" ffff00ff "$(bytes 16 4)"
	set_param stuck_byte -1

	set_param fail_read 5000
	holds "fail_read fails a read over it" [ "$(dd if=/dev/mtd0 bs=4096 count=2 2>/dev/null | wc -c)" = 4096 ]
	holds "fail_read spares other reads" [ "$(dd if=/dev/mtd0 bs=4096 skip=2 count=2 2>/dev/null | wc -c)" = 8192 ]
	set_param fail_read -1
	set_param fail_program 5000
	program 5000 0 1
	is "fail_program fails a program" 1 $?
	set_param fail_program -1
	is "and leaves the byte" ff "$(bytes 5000 1)"
	set_param fail_erase 40000
	erase $block $block
	is "fail_erase fails an erase" 5 $?
	set_param fail_erase -1
}

file_systems_mount() {
	mkdir -p /mnt
	holds "the card's partition is there" [ -b /dev/mmcblk0p1 ]
	mount -t vfat -o iocharset=utf8 /dev/mmcblk0p1 /mnt
	is "vfat on the card is readable" "from the host" "$(cat '/mnt/A long name.txt')"
	echo "from the guest" >/mnt/answer.txt
	dd if=/dev/zero of=/mnt/direct bs=4096 count=1 oflag=direct 2>/dev/null
	is "vfat takes direct writes" 0 $?
	umount /mnt

	erase 0 16777216
	mount -t jffs2 /dev/mtdblock0 /mnt
	echo "kept" >/mnt/file
	umount /mnt
	mount -t jffs2 /dev/mtdblock0 /mnt
	is "JFFS2 keeps a file" kept "$(cat /mnt/file)"
	umount /mnt
	is "JFFS2 never tried to set a bit" 0 "$(param set_bits)"
}

gpio_works() {
	echo 38 >/sys/class/gpio/export
	echo out >/sys/class/gpio/gpio38/direction
	echo 1 >/sys/class/gpio/gpio38/value
	is "a GPIO line can be driven" 1 "$(cat /sys/class/gpio/gpio38/value)"
	is "its level is seen from outside" 1 "$(cat /sys/kernel/debug/gpio-mockup/gpiochip0/38)"
}

# modules_load <top module> <those that it needs...>, in order of loading
modules_load() {
	local module
	for module in "$@"; do
		insmod "/modules/$module.ko" || { dmesg | tail -n 5; echo "FAIL module $module"; return; }
	done
	echo "ok modules $*"
}

the_rest_is_there() {
	holds "a watchdog" [ -c /dev/watchdog ]
	holds "/dev/mem" [ -c /dev/mem ]
	is "floating point" 3.500000 "$(awk 'BEGIN { printf "%f", 7 / 2 }')"
	holds "sleep sleeps" [ "$(centiseconds sleep 0.3)" -ge 30 ]
	modules_load mtdram
	is "mtdram is a RAM chip" ram "$(cat /sys/class/mtd/mtd1/type)"
	modules_load nand nandsim
	is "nandsim is a NAND chip" nand "$(cat /sys/class/mtd/mtd2/type)"
	modules_load soundcore snd snd-pcm snd-rawmidi snd-ens1370 snd-mixer-oss snd-pcm-oss
	holds "/dev/dsp" [ -c /dev/dsp ]
	modules_load configfs gpio-sim
	modules_load softdog
}

case " $(cat /proc/cmdline) " in
*" wz.part=checks "*)
	the_chip_is_nor
	bits_are_only_cleared
	the_counters_are_right
	time_passes_as_asked
	faults_happen
	reset_counters
	file_systems_mount
	gpio_works
	the_rest_is_there
	reset_counters
	erase 0 $block
	program 0 0 300
	program 0 377 1
	bytes 0 8 >/dev/null
	echo finished
	reboot -f
	;;
*" wz.part=kill "*)
	erase 0 $block
	program 0 132 $block
	program 0 0 1
	erase $block $block
	echo finished
	sleep 60
	;;
*" wz.part=cut "*)
	is "the size follows the disk's" 8388608 "$(cat $chip/size)"
	echo finished
	set_param cut_after 2
	program 0 0 8192
	erase $block $block
	echo "FAIL the power should be off"
	;;
*" wz.part=no-flash "*)
	is "without a disk there is no flash" 0 "$(grep -c ^mtd /proc/mtd)"
	holds "and no time was lost ($(cut -d' ' -f1 /proc/uptime) s)" [ "$(cut -d. -f1 /proc/uptime)" -lt 3 ]
	echo finished
	reboot -f
	;;
esac
