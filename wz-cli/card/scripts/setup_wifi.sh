#!/bin/sh
# shellcheck shell=dash
# Tells a thingino camera its Wi-Fi network, by the U-Boot environment. For thingino from 2024 and 2025: newer
# ones do not read it from there. wz_flash-helper/thingino.conf does the same for all of them, without a script.
#
# Type your network's name and password into the lines between <<'END' and END, just as they are: every character
# counts, quotes and $ too, but blanks at the ends of the line do not. Then write into general.conf:
#
#   enable_custom_scripts="yes"
#   custom_scripts="setup_wifi.sh"
#
# thingino has to have started once before; only then is there an environment to write to. Whoever can read this
# card can read the password here: delete it when the camera is in your network.

read -r wifi_ssid <<'END'

END

read -r wifi_password <<'END'

END

# Optional: the camera's own address in the network, such as 00:11:22:aa:bb:cc
mac_address=""

# ---- Nothing has to be changed below this line ----

set_variable() {
    if [ "$(fw_printenv -n "$1" 2>/dev/null)" = "$2" ]; then
        msg "   $1 is set already"
    else
        msg_nonewline "   Setting $1... "
        fw_setenv "$1" "$2" && msg_color green ok
    fi
}

# Up to February 2025 the names had no underscore.
set_both() {
    set_variable "wlan_$1" "$2" && set_variable "wlan$1" "$2"
}

custom_script_current_firmware_check thingino || return 0

if [ -z "$wifi_ssid" ] || [ -z "$wifi_password" ]; then
    msg_color red "The network's name or password is not filled in, in the first lines of this script"
    return 1
fi
set_both ssid "$wifi_ssid" || return 1
set_both pass "$wifi_password" || return 1
[ -z "$mac_address" ] || set_both mac "$mac_address"
