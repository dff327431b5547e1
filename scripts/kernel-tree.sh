#!/usr/bin/env bash
# Builds a camera's kernel from its vendor's kernel tree, and prints the path of the uImage.
#
#   scripts/kernel-tree.sh <soc> <tree> [folder]     folder: target/kernel-tree/<soc>
#
# CROSS_COMPILE is the prefix of the compiler (mips-linux-gnu-), KERNEL_DEFCONFIG a configuration of the tree
# (isvp_swan_defconfig); without one, the tree's .config is taken. The tree is copied, and stays as it is.
# docs/kernel-tree.md goes through it step by step.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
soc=$1
tree=$2
work=${3:-$(cargo_target_dir)/kernel-tree/$soc}
case $work in /*) ;; *) work=$PWD/$work ;; esac
prefix=${CROSS_COMPILE:-mips-linux-gnu-}
defconfig=${KERNEL_DEFCONFIG:-}

# Blanks at the end of the built-in command line are room for rd_start= and rd_size=. A vendor's kernel has an array of
# 4096 bytes anyway; a kernel whose array has 256 takes this, too.
cmdline_width=240

main() {
    [ -f "$root/kernel/$soc.config" ] || die "there is no kernel/$soc.config for the SoC '$soc'"
    check_tree
    "$root/scripts/setup.sh" host tree
    command -v "${prefix}gcc" >/dev/null || die "there is no compiler '${prefix}gcc'" \
        "CROSS_COMPILE= takes the prefix of one for MIPS, with its path if it is not on the PATH."

    case $work/ in "$(cd "$tree" && pwd)"/*) die "the folder '$work' lies in the tree, which is to stay as it is" ;; esac
    copy=$work/copy-of-tree
    log=$work/build.log
    fragment=$work/fragment
    mkdir -p "$work"
    exec 9>"$work/lock"
    flock -n 9 || { say "another build is running, waiting for it"; flock 9; }
    : >"$log"

    say "Copying $tree"
    copy_tree
    say "Configuring"
    configure
    say "Compiling (log: $log)"
    kmake uImage
    [ -s "$copy/arch/mips/boot/uImage" ] || die "the tree made no arch/mips/boot/uImage" "What it said is in $log"
    cp "$copy/arch/mips/boot/uImage" "$work/uImage"
    rm -rf "$copy"
    echo "$work/uImage"
}

check_tree() {
    local part
    for part in Makefile Kconfig arch/mips/configs; do
        [ -e "$tree/$part" ] || die "'$tree' is no kernel tree for MIPS: it has no $part" \
            "KERNEL_TREE= takes the folder that Linux was unpacked into."
    done
    [ -z "$defconfig" ] || [ -f "$tree/arch/mips/configs/$defconfig" ] ||
        die "the tree has no arch/mips/configs/$defconfig" "$(those_for_soc)"
    [ -n "$defconfig" ] || [ -f "$tree/.config" ] ||
        die "which configuration? The tree has no .config, and KERNEL_DEFCONFIG= names none." "$(those_for_soc)"
}

# Their names do not say which SoC they are for.
those_for_soc() {
    local found
    found=$(cd "$tree/arch/mips/configs" && grep -lxF "CONFIG_SOC_${soc^^}=y" -- * | paste -sd' ' || true)
    echo "Those for the ${soc^^}: ${found:-none}"
}

# Without its history, from which the kernel's build would take a part of its name.
copy_tree() {
    rm -rf "$copy"
    mkdir "$copy"
    tar -C "$tree" --exclude=./.git -cf - . | tar -C "$copy" -xf -
}

# The same tree gives the same kernel, whatever the caller's make was told. In the tree: the vendors' do not link with O=.
kmake() {
    env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL -u KBUILD_OUTPUT -u KCONFIG_CONFIG -u LOCALVERSION \
        -u SOC -u KERNEL LC_ALL=C SOURCE_DATE_EPOCH=0 \
        KBUILD_BUILD_VERSION=1 KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=wz KBUILD_BUILD_HOST=wz \
        make -C "$copy" ARCH=mips "CROSS_COMPILE=$prefix" -j"$(nproc)" "$@" >>"$log" 2>&1 </dev/null && return
    say "The last lines of $log:"
    tail -n 15 "$log" >&2
    die "the tree's 'make $*' failed"
}

# Objects of an earlier build are removed first, and with them the configuration.
configure() {
    kmake mrproper
    if [ -n "$defconfig" ]; then
        kmake "$defconfig"
    else
        cp "$tree/.config" "$copy/.config"
    fi
    grep -qxF "CONFIG_SOC_${soc^^}=y" "$copy/.config" ||
        die "the tree's ${defconfig:-.config} is not for the ${soc^^}: it has no CONFIG_SOC_${soc^^}=y" "$(those_for_soc)"

    write_fragment
    cat "$fragment" >>"$copy/.config"
    kmake olddefconfig
    local lost
    lost=$(grep '^CONFIG_' "$fragment" | grep -vxFf "$copy/.config" || true)
    [ -z "$lost" ] || die "the tree did not take these lines of kernel/common.config and kernel/$soc.config:" "$lost"
}

write_fragment() {
    local line
    line=$(command_line)
    [ ${#line} -lt $((cmdline_width - 40)) ] || die "the profile's command line leaves no room in $cmdline_width bytes: $line"
    {
        cat "$root/kernel/common.config" "$root/kernel/$soc.config"
        printf 'CONFIG_CMDLINE="%-*s"\n' "$cmdline_width" "$line"
    } >"$fragment"
}

# What the profile has a kernel told.
command_line() {
    wz profile list --format json |
        python3 -I -c 'import json, sys
print(next(soc["command_line"] for soc in json.load(sys.stdin)["socs"] if soc["name"] == sys.argv[1]))' "$soc"
}

main
