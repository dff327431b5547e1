#!/usr/bin/env bash
# Makes what the camera says from voices/<name>.toml. The last line of stdout is the folder.
#
#   scripts/make-voices.sh [name]     without a name: en
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
name=${1:-en}
text=$root/voices/$name.toml
out=$(cargo_target_dir)/voices/$name

[ -f "$text" ] || die "there is no '$text' (VOICES= takes the name of a file in voices/)"
"$root/scripts/setup.sh" host voices
wz voices --text "$text" --out "$out" >&2
echo "$out"
