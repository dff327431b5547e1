#!/bin/sh
# shellcheck shell=dash disable=SC2154
# Unpacks an archive that lies on the card into a partition, such as the settings that a backup saved.
#
# Fill in the three lines below. Then write into general.conf:
#
#   enable_custom_scripts="yes"
#   custom_scripts="extract_archive.sh"
#
# Beside the archive belongs its hash: a file of the same name with .sha256sum behind it. Files in the archive
# replace those of the partition; all others stay as they are.

# The archive. /sdcard is the card's top folder, so that one of a backup is, for example:
# /sdcard/wz_flash-helper/backup/stock/0001/stock_t31x_cfg.tar.gz
archive=""

# The partition that it is for, such as "cfg".
partition=""

# The firmware that has this partition, such as "stock". If another one is installed, nothing is done.
firmware=""

# ---- Nothing has to be changed below this line ----

for setting in archive partition firmware; do
    eval "value=\$$setting"
    if [ -z "$value" ]; then
        msg_color red "Nothing is filled in for $setting, in the first lines of this script"
        return 1
    fi
done

custom_script_matched_firmware_check "$firmware" || return 0

if [ "$switch_firmware" = yes ]; then
    device=$(get_nf_partmtdblock "$partition") || return 1
    kind=$(get_nf_partfstype "$partition") || return 1
else
    device=$(get_cf_partmtdblock "$partition") || return 1
    kind=$(get_cf_partfstype "$partition") || return 1
fi
extract_archive_to_partition "$partition" "$archive" "$device" "$kind"
