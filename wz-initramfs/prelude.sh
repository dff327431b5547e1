# shellcheck shell=dash
# What a custom script finds in place: names of the original program, on top of the `wz` command.
#
#   sh prelude.sh SCRIPT     sources SCRIPT from within a function, so that `local` and `return` work in it
#
# The environment says: soc chip chip_group current_firmware next_firmware model switch_firmware dry_run,
# wz_card (where the card is mounted), wz_work (a folder of this script's own). Names that begin with wz_ are
# not for scripts. docs/scripts.md says what each name does, and where it differs.
#
# shellcheck disable=SC2034 # variables are for the script

: "${wz_card:?}" "${wz_work:?}" "${soc?}" "${chip?}" "${chip_group?}" "${current_firmware?}" \
    "${next_firmware?}" "${model?}" "${switch_firmware:?}" "${dry_run:?}"

# --- Variables ---

prog_name=wz_flash-helper
prog_dir=$wz_card/$prog_name
prog_config_file=$prog_dir/general.conf
prog_restore_config_file=$prog_dir/restore/$current_firmware.conf
prog_log_file=$prog_dir/initramfs.log
prog_log_file_serial=$prog_dir/initramfs_serial.log

chip_name=$chip
chip_family=$soc
flash_type=nor
all_partmtd=/dev/mtd0

cf_backup_path=$prog_dir/backup/$current_firmware
cf_backup_allparts_filename=${current_firmware}_${chip_group}_all.bin
cf_restore_path=$prog_dir/restore/$current_firmware
nf_images_path=$prog_dir/restore/$next_firmware
nf_firmware_filename=${next_firmware}_${chip_group}_firmware.bin

# --- Messages: lines on the console and in the logs, without colours ---

msg() {
    printf '%s\n' "$1"
}

msg_nonewline() {
    printf '%s' "$1"
}

msg_color() {
    msg "$2"
}

msg_color_nonewline() {
    msg_nonewline "$2"
}

msg_color_bold() {
    msg "$2"
}

msg_color_bold_nonewline() {
    msg_nonewline "$2"
}

msg_tickbox_yes() {
    msg_nonewline "[x] "
}

msg_tickbox_no() {
    msg_nonewline "[ ] "
}

msg_dry_run() {
    msg "   (dry run) $1"
}

get_color_code() {
    local color name
    case $1 in
    light*) set -- "${1#light}" 9 ;;
    *) set -- "$1" 3 ;;
    esac
    color=0
    for name in black red green brown blue magenta cyan white; do
        [ "$1" != "$name" ] || printf '%s%s' "$2" "$color"
        color=$((color + 1))
    done
    [ "$1" != gray ] || printf 90
}

wz_fail() {
    msg "    $*"
    return 1
}

# --- What is where in flash ---

# Lines "name offset size format" of the firmware that is in flash now.
wz_partitions() {
    [ -f "$wz_work/partitions" ] || wz partition list >"$wz_work/partitions" || {
        rm -f "$wz_work/partitions"
        return 1
    }
    cat "$wz_work/partitions"
}

wz_partition_names() {
    wz_partitions | awk '{ printf "%s%s", separator, $1; separator = " " }'
}

# Fails if it is asked for the partitions of a firmware that is not in flash: cf and nf.
wz_is_in_flash() {
    case $1$switch_firmware in
    nfyes | cfno) return 0 ;;
    cf*) wz_fail "the partitions of $current_firmware are gone: $next_firmware is in flash now (get_nf_...)" >&2 ;;
    nf*) wz_fail "no other firmware was switched to: ask for the partitions of $current_firmware (get_cf_...)" >&2 ;;
    esac
}

# Prints the block device of a partition, which exists from now on, and remembers whose it is.
wz_device() {
    local device
    wz_is_in_flash "$1" || return
    device=$(wz partition device "$2") || return
    printf '%s\n' "$2" >"$wz_work/mtd${device##*[!0-9]}"
    printf '%s' "$device"
}

wz_number() {
    local device
    device=$(wz_device "$1" "$2") && printf '%s' "${device##*[!0-9]}"
}

wz_character_device() {
    local device
    device=$(wz_device "$1" "$2") && printf '%s/mtd%s' "${device%/*}" "${device##*[!0-9]}"
}

wz_format() {
    wz_is_in_flash "$1" || return
    case $(wz_partitions | awk -v name="$2" '$1 == name { print $4 }') in
    jffs2) printf jffs2 ;;
    squashfs) printf squashfs ;;
    vfat) printf vfat ;;
    ?*) printf raw ;;
    *) return 1 ;;
    esac
}

get_cf_partnum() { wz_number cf "$1"; }
get_cf_partmtd() { wz_character_device cf "$1"; }
get_cf_partmtdblock() { wz_device cf "$1"; }
get_cf_partfstype() { wz_format cf "$1"; }
get_cf_partimg() { printf '%s_%s_%s.bin' "$current_firmware" "$chip_group" "$1"; }

get_cf_restore_opt_value() {
    [ ! -f "$prog_restore_config_file" ] || sed -n \
        "s/^[[:space:]]*restore_${current_firmware}_$1[[:space:]]*=[[:space:]]*[\"']\{0,1\}\([a-z]*\).*/\1/p" \
        "$prog_restore_config_file" | tail -n 1 | tr -d '\n'
}

get_nf_partnum() { wz_number nf "$1"; }
get_nf_partmtd() { wz_character_device nf "$1"; }
get_nf_partmtdblock() { wz_device nf "$1"; }
get_nf_partfstype() { wz_format nf "$1"; }
get_nf_partimg() { printf '%s_%s_%s.bin' "$next_firmware" "$chip_group" "$1"; }

# --- What is done with partitions. Each by its name; a device that is another partition's is refused ---

wz_is_its_device() {
    local number whose
    number=${2##*[!0-9]}
    [ -n "$number" ] || return 0
    [ -f "$wz_work/mtd$number" ] ||
        wz_fail "$2 is no device that this script was given for $1 (get_cf_..., get_nf_...)" || return
    read -r whose <"$wz_work/mtd$number"
    [ "$whose" = "$1" ] || wz_fail "$2 is the partition $whose, not $1"
}

wz_add_sum() {
    (cd "$(dirname "$1")" && name=$(basename "$1") && sha256sum "$name" >"$name.sha256sum") ||
        wz_fail "the sha256sum file could not be made"
}

read_partition() {
    local name device file first second
    name=$1 device=$2 file=$3
    msg "-> Read partition: $name $device to file $(basename "$file")"
    [ -r "$device" ] || wz_fail "there is no device $device" || return
    [ ! -e "$file" ] || wz_fail "$(basename "$file") is there already" || return
    wz_is_its_device "$name" "$device" || return
    # The driver reports errors only of short reads. What reads the same twice is right.
    dd if="$device" of="$file.partial" bs=4096 2>/dev/null || wz_fail "it cannot be read" || return
    first=$(sha256sum <"$file.partial") && second=$(dd if="$device" bs=4096 2>/dev/null | sha256sum)
    [ "$first" = "$second" ] || wz_fail "it does not read the same twice" || return
    mv "$file.partial" "$file" && wz_add_sum "$file" && msg "    Reading... ok"
}

write_partition() {
    local name file device
    name=$1 file=$2 device=$3
    msg "-> Write partition: file $(basename "$file") to $name $device"
    [ -f "$file" ] || wz_fail "$(basename "$file") is missing" || return
    [ -f "$file.sha256sum" ] || wz_fail "$(basename "$file").sha256sum is missing" || return
    wz_is_its_device "$name" "$device" && wz partition write "$name" "$file" && msg "    Writing... ok"
}

erase_partition() {
    msg "-> Erase partition: $1 $2"
    wz_is_its_device "$1" "$2" && wz partition erase "$1" && msg "    Erasing... ok"
}

format_partition() {
    msg "-> Format partition: $1 /dev/mtd$2 as $3"
    case $3 in
    jffs2 | vfat) ;;
    *) wz_fail "as $3 is not supported" || return ;;
    esac
    wz_is_its_device "$1" "$2" && wz partition format "$1" && msg "    Formatting... ok"
}

leave_partition() {
    msg "-> Leave partition: $1 $2"
}

validate_written_partition() {
    local name device file size
    name=$1 file=$3
    msg "> Validating written partition: $name against file $(basename "$file")"
    [ -f "$file" ] || wz_fail "$(basename "$file") is missing" || return
    wz_is_its_device "$name" "$2" || return
    case $switch_firmware in
    yes) device=$(get_nf_partmtd "$name") ;;
    *) device=$(get_cf_partmtd "$name") ;;
    esac || return
    size=$(wc -c <"$file")
    if dd if="$device" bs=4096 2>/dev/null | head -c "$size" | cmp -s - "$file"; then
        msg "    Validation result: good"
    else
        msg "    Validation result: bad"
        return 1
    fi
}

create_archive_from_partition() {
    local name device file
    name=$1 device=$2 file=$4
    msg "-> Archive partition files: $name $device to file $(basename "$file")"
    [ -n "$file" ] || wz_fail "no file is named" || return
    [ ! -e "$file" ] || wz_fail "$(basename "$file") is there already" || return
    wz_is_its_device "$name" "$device" && wz partition archive "$name" "$file" || return
    [ -f "$file.sha256sum" ] || wz_add_sum "$file" || return
    msg "    Creating archive file... ok"
}

extract_archive_to_partition() {
    local name file device
    name=$1 file=$2 device=$3
    msg "-> Extract archive to partition: file $(basename "$file") to $name $device"
    [ -f "$file" ] || wz_fail "$(basename "$file") is missing" || return
    [ -f "$file.sha256sum" ] || wz_fail "$(basename "$file").sha256sum is missing" || return
    wz_is_its_device "$name" "$device" && wz partition extract "$file" "$name" &&
        msg "    Extracting archive file... ok"
}

# --- Whether a script is for the firmware that runs ---

custom_script_matched_firmware_check() {
    local running
    case $switch_firmware in
    yes) running=$next_firmware ;;
    *) running=$current_firmware ;;
    esac
    msg "This script requires the running firmware to be $1"
    if [ "$running" = "$1" ]; then
        msg "   The running firmware is $running, so it runs now"
    else
        msg "   The running firmware is $running, so it is skipped"
        return 1
    fi
}

custom_script_current_firmware_check() {
    msg "This script requires the current firmware to be $1, and no other to be switched to"
    if [ "$switch_firmware" = yes ]; then
        msg "   The camera was switched to $next_firmware, so it is skipped"
        return 1
    fi
    if [ "$current_firmware" = "$1" ]; then
        msg "   The current firmware is $current_firmware, so it runs now"
    else
        msg "   The current firmware is $current_firmware, so it is skipped"
        return 1
    fi
}

# --- The rest ---

gen_4digit_id() {
    shuf -i 1000-9999 -n 1
}

ipcinfo() {
    case $1 in
    -c | --chip-name) msg "$chip_name" ;;
    -f | --family) msg "$chip_family" ;;
    -F | --flash-type) msg "$flash_type" ;;
    *) return 1 ;;
    esac
}

# The speaker is the program's own.
play_audio() {
    return 0
}

wz_run() {
    # shellcheck disable=SC1090 # that is the point
    . "$1"
}

# Asking for them reads flash; few scripts do.
if grep -q '_partname_list' "$1"; then
    case $switch_firmware in
    yes) nf_all_partname_list=$(wz_partition_names) ;;
    *)
        cf_all_partname_list=$(wz_partition_names)
        cf_restore_partname_list=${cf_all_partname_list#* }
        ;;
    esac
fi

wz_run "$1"
