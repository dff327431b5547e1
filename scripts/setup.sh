#!/usr/bin/env bash
# Installs what is missing, and says so first. Quick and silent when nothing is.
#
#   scripts/setup.sh [group ...]
#
# Groups: host (Rust), test, voices, camera (zig), kernel, tree (a vendor's kernel), emulator, release, lint.
# Without a group: all of them.
# Debian packages come through apt (as root or through sudo), everything else goes to the cache folder.
# WZ_SKIP_PACKAGES=1 leaves the packages to you.
set -euo pipefail
exec </dev/null # nothing here asks questions (sudo asks on the terminal itself)
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

all_groups="host test voices camera kernel tree emulator release lint"

main() {
    local groups=${*:-$all_groups} group
    for group in $groups; do
        case " $all_groups " in
            *" $group "*) ;;
            *) die "setup.sh knows no group '$group'; there are: $all_groups" ;;
        esac
    done
    install_packages "$groups"
    install_rust
    case " $groups " in
        *" camera "*) install_cross_tools ;;
    esac
    # wz is for owners of Windows, too.
    case " $groups " in
        *" lint "* | *" release "*) install_rust_library x86_64-pc-windows-gnu ;;
    esac
    case " $groups " in
        *" release "*) install_rust_library x86_64-unknown-linux-musl ;;
    esac
}

install_packages() {
    [ "${WZ_SKIP_PACKAGES:-}" != 1 ] || return 0
    local wanted missing as_root=()
    mapfile -t wanted < <(awk -v groups=" $1 " '!/^#/ && NF && index(groups, " " $2 " ") { print $1 }' "$root/scripts/packages")
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        die "this is not a Debian system, so the packages can't be installed for you. By their Debian 12 names:" \
            "${wanted[*]}" \
            "When you have what they contain: WZ_SKIP_PACKAGES=1 make ..."
    fi
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "Debian packages are missing, and there is no sudo. As root:" \
            "apt-get update && apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    say "Installing Debian packages${as_root:+ through sudo}: ${missing[*]}"
    "${apt[@]}" update >&2 || say "warning: apt-get update failed; going on with the package lists that are there"
    "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >&2 ||
        die "apt-get could not install the packages (its own message is above)." \
            "Check the network, and that this is Debian 12 (other releases have another linux-source). By hand:" \
            "${as_root:+sudo }apt-get install --no-install-recommends ${missing[*]}"
}

# Those of the arguments that are not installed, one per line.
missing_packages() {
    local installed package
    installed=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
    for package in "$@"; do
        grep -qxF "$package installed" <<<"$installed" || echo "$package"
    done
}

install_rust() {
    local channel sysroot missing=()
    channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")
    cd "$root" # where rustup finds rust-toolchain.toml
    command -v cargo >/dev/null || die "Rust is not installed. Install rustup (https://rustup.rs), then run this again." \
        "The toolchain that this project needs ($channel) is then fetched by this script."
    if ! sysroot=$(RUSTUP_AUTO_INSTALL=0 rustc --print sysroot 2>/dev/null); then
        run_rustup "Rust $channel" toolchain install "$channel" --no-self-update --profile minimal \
            --component rustfmt --component clippy --component rust-src
        return
    fi
    [ -e "$sysroot/bin/cargo-fmt" ] || missing+=(rustfmt)
    [ -e "$sysroot/bin/cargo-clippy" ] || missing+=(clippy)
    [ -e "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ] || missing+=(rust-src)
    [ ${#missing[@]} -eq 0 ] ||
        run_rustup "components of Rust $channel: ${missing[*]}" component add --toolchain "$channel" "${missing[@]}"
    case $(rustc --version) in
        "rustc $channel "*) ;;
        *) die "this is $(rustc --version), and the project is built with $channel." \
            "Install rustup (https://rustup.rs): it picks the version by rust-toolchain.toml." ;;
    esac
}

# install_rust_library <target>
install_rust_library() {
    local sysroot
    sysroot=$(rustc --print sysroot)
    [ -d "$sysroot/lib/rustlib/$1" ] || run_rustup "Rust's library for $1" target add "$1"
}

# run_rustup <what> <rustup arguments>
run_rustup() {
    local what=$1
    shift
    command -v rustup >/dev/null || die "missing: $what, and there is no rustup to install it." \
        "Install rustup (https://rustup.rs), then run this again."
    say "Installing $what"
    rustup "$@" >&2 || die "rustup could not install $what (its own message is above). By hand:" "rustup $*"
}

# zig (linker and C library) and cargo-zigbuild, at the pinned versions, in an environment of their own.
install_cross_tools() {
    local dir python
    dir=$(cross_tools_dir)
    [ ! -e "$dir/complete" ] || return 0
    mkdir -p "$cache"
    (
        flock 9
        [ ! -e "$dir/complete" ] || exit 0
        python=$(python_with_venv)
        say "Installing into $dir: $(grep -o '^[a-z].*==[0-9.]*' "$root/scripts/requirements.txt" | paste -sd' ') (from PyPI)"
        rm -rf "$dir"
        "$python" -I -m venv "$dir" >&2 || die "python could not make a private environment in $dir (its own message is above)."
        "$dir/bin/python" -I -m pip install --quiet --no-cache-dir --no-deps --only-binary :all: --require-hashes \
            -r "$root/scripts/requirements.txt" >&2 ||
            die "pip could not install zig and cargo-zigbuild (its own message is above)." \
                "They come from PyPI: check the network, then run this again."
        ln -s "$(cd "$dir" && echo lib/python3*/site-packages/ziglang/zig | sed 's,^,../,')" "$dir/bin/zig"
        touch "$dir/complete"
    ) 9>"$cache/cross.lock"
}

# Debian's own python first: another one (pyenv, conda) may be set up for something else.
python_with_venv() {
    local python
    for python in /usr/bin/python3 python3; do
        if "$python" -I -c 'import venv, ensurepip' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    die "there is no python3 with the venv module (Debian package python3-venv)."
}

main "$@"
