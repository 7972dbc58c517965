#!/bin/sh
# Installs Carousel's program, and systemd's units where systemd is.
#
#   install.sh --from FOLDER|https://SITE/FOLDER [--prefix /usr/local] [--version v1.2.3]
#
# What it installs is what SHA256SUMS beside it says, or nothing is. It starts nothing, and tells at
# its end what to do next, and what is missing.
set -eu

from=
prefix=/usr/local
version=

say() { printf 'install: %s\n' "$*"; }
die() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --from | --prefix | --version)
        [ $# -gt 1 ] || die "$1 wants a value"
        case $1 in
        --from) from=$2 ;;
        --prefix) prefix=$2 ;;
        --version) version=$2 ;;
        esac
        shift 2
        ;;
    -h | --help)
        sed -n '2,7s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) die "$1 is unknown; --from, --prefix and --version can be given" ;;
    esac
done
[ -n "$from" ] || die "where from? --from names a folder, or the address of one, that has SHA256SUMS"

# A version from the network is only believed over HTTPS.
case $from in
https://*) ;;
*://*) die "$from: only https:// is trusted, or a folder" ;;
*) [ -d "$from" ] || die "$from is no folder" ;;
esac

case $(uname -s) in
Linux) os=linux ;;
Darwin) os=darwin ;;
*) die "there is nothing for $(uname -s); on Windows unpack the .zip" ;;
esac
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*) die "there is nothing for $(uname -m)" ;;
esac

if command -v sha256sum >/dev/null; then
    digest() { sha256sum "$1" | cut -d ' ' -f 1; }
elif command -v shasum >/dev/null; then
    digest() { shasum -a 256 "$1" | cut -d ' ' -f 1; }
else
    die "sha256sum is missing, without which nothing can be checked"
fi
command -v tar >/dev/null || die "tar is missing"
command -v gzip >/dev/null || die "gzip is missing"

fetch() { # name file
    case $from in
    https://*)
        # It follows no redirection to anything but HTTPS, as wget would.
        command -v curl >/dev/null || die "curl is missing"
        curl --proto '=https' --fail --silent --show-error --location --output "$2" "$from/$1"
        ;;
    *) cp "$from/$1" "$2" ;;
    esac || die "$1 can't be had from $from"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

fetch SHA256SUMS "$scratch/SHA256SUMS"
pattern="carousel_${version:-[^ _]*}_${os}_${arch}\\.tar\\.gz"
line=$(grep -E "^[0-9a-f]{64}  $pattern\$" "$scratch/SHA256SUMS" || true)
[ -n "$line" ] || die "$from has no ${version:-version} for $os/$arch"
[ "$(printf '%s\n' "$line" | wc -l)" -eq 1 ] || die "$from has several versions for $os/$arch: choose one with --version"
archive=${line##* }
fetch "$archive" "$scratch/$archive"
[ "$(digest "$scratch/$archive")" = "${line%% *}" ] || die "$archive is not what SHA256SUMS says: nothing is installed"

tar -xzf "$scratch/$archive" -C "$scratch"
unpacked=$scratch/${archive%.tar.gz}
mkdir -p "$prefix/bin" 2>/dev/null && [ -w "$prefix/bin" ] || die "$prefix/bin can't be written: run it as root, or name another --prefix"
# At once, also where it runs.
cp "$unpacked/carousel" "$prefix/bin/.carousel.new"
chmod 755 "$prefix/bin/.carousel.new"
mv "$prefix/bin/.carousel.new" "$prefix/bin/carousel"
# Versions before had a program for each service. Units of today start none of them.
for program in carousel-gateway carousel-tokenstore carousel-local; do
    [ ! -f "$prefix/bin/$program" ] || {
        rm -f "$prefix/bin/$program"
        say "$prefix/bin/$program is removed: it is $prefix/bin/carousel ${program#carousel-} now"
    }
done
say "$archive is installed in $prefix/bin"

# Units see nothing of homes and of /tmp, and what is tried out elsewhere is none of the system's.
units=/etc/systemd/system
case $prefix in
/usr | /usr/local | /opt/*) ;;
*) units= ;;
esac
if [ -z "$units" ]; then
    say "units are for a program in /usr, /usr/local and /opt; start $prefix/bin/carousel local --data FOLDER yourself"
elif [ "$os" = linux ] && [ -d /run/systemd/system ] && [ -w "$units" ]; then
    for unit in "$unpacked"/systemd/*.service; do
        sed "s#^ExecStart=/usr/bin/#ExecStart=$prefix/bin/#" "$unit" >"$units/${unit##*/}"
    done
    systemctl daemon-reload
    [ -z "$(systemctl list-units --no-legend --state=active 'carousel-*.service')" ] || say "services of Carousel run, still as before: systemctl try-restart 'carousel-*.service'"
    say "the units are in $units; on one machine: systemctl enable --now carousel-local"
else
    say "no systemd runs here, so there are no units; start $prefix/bin/carousel local --data FOLDER yourself"
fi
command -v redis-server >/dev/null || say "redis-server is missing: carousel local keeps its data in a file of its own until it is there"
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ "$os" != linux ] || say "ca-certificates is missing: upstreams at https:// can't be reached until it is there"
case :$PATH: in
*":$prefix/bin:"*) ;;
*) say "$prefix/bin is not in PATH" ;;
esac
