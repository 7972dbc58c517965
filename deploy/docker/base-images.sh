#!/usr/bin/env bash
# Makes sure that docker-compose.yml has base images to build on, also where no image registry can
# be reached.
#
#   eval "$(deploy/docker/base-images.sh)"
#
# If the public images are here or can be pulled, it prints nothing: docker-compose.yml's defaults
# work. Otherwise, or with CAROUSEL_STANDIN=1, it builds stand-ins and prints the environment that
# makes the compose file use them. The stand-ins are made of this machine's Go and module cache (or
# the module proxy that Go is configured for) and of Debian's packages (debootstrap, from the mirror
# that this machine's apt uses):
#
#   carousel-standin/debian    a minimal Debian with redis-server and haproxy, for the services
#                              redis and lb
#   carousel-standin/golang    that Debian with this machine's Go, and the modules that our programs
#                              need, compiled
#   carousel-standin/runtime   CA certificates, time zones and the user "nonroot", nothing that runs
#   carousel-standin/prometheus  that Debian with its Prometheus, if COMPOSE_PROFILES has "metrics"
#
# They are for tests and for trying things out: they get no security updates. A second run takes a
# second; what changed (Go, a go.sum, this script) is built anew. Messages go to stderr.
#
# Needs: docker, Go, debootstrap, Debian or a relative of it, root or sudo (for debootstrap).
# Settings: CAROUSEL_STANDIN=1 (no attempt to pull), CAROUSEL_DEBIAN_MIRROR (instead of apt's).
set -euo pipefail

cd "$(dirname "$0")/../.."
source deploy/docker/debian.sh

readonly debian_image=carousel-standin/debian:latest
readonly golang_image=carousel-standin/golang:latest
readonly runtime_image=carousel-standin/runtime:latest
readonly prometheus_image=carousel-standin/prometheus:latest
readonly debian_packages=ca-certificates,tzdata,redis-server,haproxy
# What an image was made of, so that the next run can tell whether it still fits.
readonly inputs_label=carousel.inputs

say() { printf 'base-images: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

with_metrics() { [[ ,${COMPOSE_PROFILES:-}, == *,metrics,* ]]; }

# The names that docker-compose.yml uses when nothing else is said.
public_images() {
    sed -n 's/.*\${CAROUSEL_[A-Z]*_IMAGE:-\([^}]*\)}.*/\1/p' docker-compose.yml | { with_metrics && cat || grep -v prometheus; }
}

# True if the public images can be used: all are here, or the smallest one can be pulled.
public_images_available() {
    local image missing=
    for image in $(public_images); do
        docker image inspect "$image" >/dev/null 2>&1 || missing=1
    done
    [[ -n $missing ]] || return 0
    image=$(public_images | grep distroless)
    timeout 60 docker pull --quiet "$image" >/dev/null 2>&1
}

inputs_of() { # image; nothing where there is none
    docker image inspect --format "{{index .Config.Labels \"$inputs_label\"}}" "$1" 2>/dev/null || true
}

digest() { sha256sum | cut -c1-32; }

build_debian() {
    local inputs=$1 mirror suite root="$scratch/root"
    command -v debootstrap >/dev/null || die "debootstrap is missing; install it (apt-get install debootstrap)"
    read -r mirror suite < <(apt_source) || die "apt names no mirror for this release; set CAROUSEL_DEBIAN_MIRROR"
    say "building $debian_image from Debian's packages"
    as_root debootstrap --variant=minbase --include="$debian_packages" "$suite" "$root" "$mirror" >"$scratch/debootstrap.log" 2>&1 ||
        { tail -n 20 "$scratch/debootstrap.log" >&2; die "debootstrap failed"; }
    as_root tar -C "$root" -c \
        --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' \
        --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./var/log/*' . |
        docker import --change "LABEL $inputs_label=$inputs" --change 'CMD ["bash"]' - "$debian_image" >/dev/null
}

# Collects in the folder what the images' programs are built from: proxy/, their modules as a module
# proxy, and cache/, what the compiler made of all code that isn't ours. The latter is what takes
# long, and so a change of ours doesn't start it again.
collect_dependencies() {
    local dir=$1 module program packages
    GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)"
    export GOPROXY GOMODCACHE="$scratch/modules" GOCACHE="$dir/cache" GOWORK=off GOFLAGS=-modcacherw CGO_ENABLED=0
    mkdir -p "$scratch"/mod/{proto,gateway,tokenstore}
    for module in proto gateway tokenstore; do
        cp "$module"/go.{mod,sum} "$scratch/mod/$module/"
    done
    for module in gateway tokenstore; do
        # On a copy, because this may write to go.sum.
        (cd "$scratch/mod/$module" && go mod download)
    done
    for program in gateway/cmd/gateway tokenstore/cmd/tokenstore deploy/upstreamsim/cmd/upstreamsim; do
        module=${program%%/*}
        packages=$(cd "$module" && go list -deps -tags grpcnotrace,nomsgpack \
            -f '{{with .Module}}{{if not (or .Main .Replace)}}{{$.ImportPath}}{{end}}{{end}}' "./${program#*/}")
        # shellcheck disable=SC2086 # a list
        [[ -z $packages ]] || (cd "$module" && go build -trimpath -tags grpcnotrace,nomsgpack $packages)
    done
    mv "$GOMODCACHE/cache/download" "$dir/proxy"
    rm -rf "$dir/proxy/sumdb"
}

build_golang() {
    local inputs=$1 goroot context="$scratch/golang"
    say "building $golang_image from $(go version | cut -d' ' -f3) and its modules"
    mkdir -p "$context"
    (collect_dependencies "$context")
    cat >"$context/Dockerfile" <<-DOCKERFILE
		FROM $debian_image
		COPY go /usr/local/go
		COPY proxy /go/proxy
		COPY cache /go/cache
		ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
		    GOPATH=/go GOCACHE=/go/cache GOTOOLCHAIN=local GOPROXY=file:///go/proxy GOSUMDB=off
		LABEL $inputs_label=$inputs
	DOCKERFILE
    goroot=$(go env GOROOT)
    # Without what only Go's own tests and tools are made of.
    tar -c --exclude=testdata --exclude='*_test.go' --exclude=src/cmd \
        --transform "s,^$(basename "$goroot")/,go/,rSH" -C "$context" Dockerfile proxy cache \
        -C "$(dirname "$goroot")" "$(basename "$goroot")"/{VERSION,go.env,bin,pkg,src} >"$scratch/golang.tar"
    docker build --quiet --tag "$golang_image" - <"$scratch/golang.tar" >/dev/null
}

build_runtime() {
    local inputs=$1
    say "building $runtime_image"
    # The standard input of the container is the list of commands, its output the image's files.
    docker run --rm --interactive --network none "$debian_image" sh -eu <<-'SCRIPT' |
		mkdir -p /image/etc/ssl/certs /image/usr/share /image/home/nonroot
		mkdir -m 1777 /image/tmp
		cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/
		cp -r /usr/share/zoneinfo /image/usr/share/
		printf '%s\n' 'root:x:0:0:root:/root:/sbin/nologin' 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >/image/etc/passwd
		printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' >/image/etc/group
		chown 65532:65532 /image/home/nonroot
		tar -C /image -c .
	SCRIPT
        docker import --change "LABEL $inputs_label=$inputs" --change 'USER 65532:65532' - "$runtime_image" >/dev/null
}

# Of the package nothing but the programs, which need no other one.
build_prometheus() {
    local inputs=$1 context="$scratch/prometheus"
    say "building $prometheus_image from Debian's package"
    mkdir -p "$context"
    (cd "$context" && apt-get download -qq prometheus 2>"$scratch/apt.log" && dpkg-deb --extract prometheus_*.deb package) ||
        { cat "$scratch/apt.log" >&2; die "the package prometheus can't be had; run apt-get update"; }
    cat >"$context/Dockerfile" <<-DOCKERFILE
		FROM $debian_image
		COPY package/usr/bin/prometheus package/usr/bin/promtool /usr/bin/
		RUN mkdir /prometheus && chown 65534:65534 /prometheus
		LABEL $inputs_label=$inputs
	DOCKERFILE
    tar -c -C "$context" Dockerfile package/usr/bin | docker build --quiet --tag "$prometheus_image" - >/dev/null
}

command -v docker >/dev/null || die "docker is missing"
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || die "no Docker engine answers"

if [[ ${CAROUSEL_STANDIN:-} != 1 ]] && public_images_available; then
    exit 0
fi
command -v go >/dev/null || die "no image registry can be reached, and without Go there is nothing to build stand-ins from"

# One at a time: two runs would build the same images.
exec 9>"${TMPDIR:-/tmp}/carousel-base-images.lock"
flock 9

scratch=$(mktemp -d)
trap 'as_root rm -rf "$scratch"' EXIT

debian_inputs=$( (declare -f build_debian; . /etc/os-release; echo "$debian_packages" "$VERSION_CODENAME" "$(uname -m)") | digest)
# shellcheck disable=SC2034 # by name, below
runtime_inputs=$( (declare -f build_runtime; echo "$debian_inputs") | digest)
# shellcheck disable=SC2034
golang_inputs=$( (declare -f collect_dependencies build_golang; echo "$debian_inputs"; go version
    cat {proto,gateway,tokenstore,deploy}/go.{mod,sum}) | digest)

# shellcheck disable=SC2034
prometheus_inputs=$( (declare -f build_prometheus; echo "$debian_inputs"; { apt-cache show prometheus 2>/dev/null || true; } | { grep ^Version || true; }) | digest)

images="debian runtime golang"
with_metrics && images+=" prometheus"
for image in $images; do
    name=${image}_image inputs=${image}_inputs
    before=$(inputs_of "${!name}")
    [[ $before != "${!inputs}" ]] || continue
    "build_$image" "${!inputs}"
    # What was made of other inputs: the image that has lost its name now, and what was built upon
    # it, which inherits the label. The rest is the build cache, without which every build takes
    # minutes.
    [[ -z $before ]] || docker image prune --force --filter "label=$inputs_label=$before" >/dev/null
done

cat <<ENVIRONMENT
export CAROUSEL_GO_IMAGE=$golang_image
export CAROUSEL_RUNTIME_IMAGE=$runtime_image
export CAROUSEL_REDIS_IMAGE=$debian_image
export CAROUSEL_LB_IMAGE=$debian_image
ENVIRONMENT
! with_metrics || echo "export CAROUSEL_PROMETHEUS_IMAGE=$prometheus_image"
