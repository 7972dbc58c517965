#!/usr/bin/env bash
# Makes podman's image carousel-standin/systemd, unless it is there: a minimal Debian with systemd,
# redis-server and curl, for "make install-test". It prints the image's name.
#
# Needs: podman, debootstrap, Debian or a relative of it, root or sudo.
# Setting: CAROUSEL_DEBIAN_MIRROR (instead of apt's).
set -euo pipefail

cd "$(dirname "$0")"
source ./debian.sh

readonly packages=ca-certificates,curl,redis-server,systemd,systemd-sysv
readonly image=localhost/carousel-standin/systemd:latest
readonly inputs_label=carousel.inputs

say() { printf 'systemd-image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

for program in podman debootstrap; do
    command -v "$program" >/dev/null || die "$program is missing: install it with apt-get"
done
read -r mirror suite < <(apt_source) || die "apt names no mirror for this release; set CAROUSEL_DEBIAN_MIRROR"

inputs="$suite:$packages"
if [[ $(podman image inspect --format "{{index .Config.Labels \"$inputs_label\"}}" "$image" 2>/dev/null || true) != "$inputs" ]]; then
    say "building $image from Debian's packages"
    scratch=$(mktemp -d)
    trap 'as_root rm -rf "$scratch"' EXIT
    as_root debootstrap --variant=minbase --include="$packages" "$suite" "$scratch/root" "$mirror" >"$scratch/log" 2>&1 ||
        { tail -n 20 "$scratch/log" >&2; die "debootstrap failed"; }
    as_root tar -C "$scratch/root" -c --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' \
        --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' . |
        podman import --quiet --change "LABEL $inputs_label=$inputs" - "$image" >/dev/null
fi
printf '%s\n' "$image"
