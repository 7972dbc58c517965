#!/usr/bin/env bash
# Replaces what runs by the images of now, one container after the other, so that no request fails:
# "make upgrade".
#
# What makes certificates, Redis (with its sentinels and replicas, one by one) and the tokenstore
# are replaced where they differ, and started where .env has a new profile; meanwhile the gateways
# serve from their reserve. Then each gateway is replaced: a new one joins, and an old one leaves
# once the new one is ready. Prometheus comes last. The load balancer is the one part that can't be
# replaced without a moment in which nobody listens; it is left alone unless BALANCER=1.
#
# Needs: the images, built before; COMPOSE, the Compose command.
set -euo pipefail

cd "$(dirname "$0")/../.."
read -ra compose <<<"${COMPOSE:-docker compose}"

# How long a gateway may take to stop, in seconds. It ends by itself after DRAIN_DELAY and
# SHUTDOWN_GRACE.
readonly patience=3600

profiles=$(deploy/docker/profiles.sh)

say() { printf 'upgrade: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
compose() { "${compose[@]}" "$@"; }

# wait_for seconds, what, command…
wait_for() {
    local seconds=$1 what=$2
    shift 2
    local end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || die "$what is not ready after $seconds s; look into its log"
        sleep 0.3
    done
}

healthy() { docker exec "$1" "/usr/local/bin/$2" healthcheck; }

replace() { # service: all of it, where it differs from what runs
    compose up --detach --no-deps --no-build "$1"
}

# has profile service: whether .env asks for the profile, or the service runs all the same.
has() { [[ ,$profiles, == *,$1,* || -n $(compose --profile "$1" ps --quiet "$2") ]]; }

# replace_optional profile service
replace_optional() {
    if has "$1" "$2"; then replace "$2"; fi
}

# in_step service: a server of Redis's that is the primary, or has all that the primary has.
in_step() {
    # shellcheck disable=SC2016 # of the container's shell
    compose exec -T "$1" sh -c 'REDISCLI_AUTH=$(cat /run/redis/password) exec redis-cli role' | grep -qE '^(master|connected)'
}

# Sentinels and replicas that are made anew without the lines of .env that made them would lose each
# other, and with them the primary.
keep_ha() {
    [[ ,$profiles, == *,ha,* || -z $(compose --profile ha ps --quiet redis-2) ]] ||
        die "the replicas of Redis run, and COMPOSE_PROFILES has no \"ha\": put its lines back into .env, or turn it off as docs/redis.md says. Nothing was replaced"
}

# One server after the other, replicas first, so that what waits for a replica has one.
replace_redis() {
    local each servers=(redis)
    if has ha redis-2; then
        for each in sentinel-1 sentinel-2 sentinel-3; do replace "$each"; done
        servers=(redis-2 redis-3 redis)
    fi
    for each in "${servers[@]}"; do
        replace "$each"
        wait_for 120 "$each" in_step "$each"
    done
}

replace_tokenstore() {
    local container
    replace tokenstore
    for container in $(compose ps --quiet tokenstore); do
        wait_for 60 tokenstore healthy "$container" tokenstore
    done
}

# balancer_has count: the balancer sends requests to so many gateways.
balancer_has() {
    compose exec -T lb bash -c "exec 3<>/dev/tcp/127.0.0.1/8404 &&
        printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && grep -q '^haproxy_backend_active_servers{proxy=\"gateways\"} $1\$' <&3"
}

replace_gateways() {
    local old container running wanted
    mapfile -t old < <(compose ps --quiet gateway)
    ((${#old[@]})) || { replace gateway; return; }
    wanted=$((${#old[@]} + 1))
    for container in "${old[@]}"; do
        compose up --detach --no-deps --no-build --no-recreate --scale gateway="$wanted" gateway
        for running in $(compose ps --quiet gateway); do
            wait_for 60 "gateway ${running:0:12}" healthy "$running" gateway
        done
        wait_for 60 "a gateway, as the balancer sees it," balancer_has "$wanted"
        say "gateway ${container:0:12} leaves"
        docker stop --time "$patience" "$container" >/dev/null
        docker rm "$container" >/dev/null
    done
    # A change of the number of gateways, last.
    compose up --detach --no-deps --no-build --no-recreate gateway
}

balancer_differs() {
    local container image
    container=$(compose ps --quiet lb)
    image=$(docker inspect --format '{{.Config.Image}}' "$container")
    [[ $(docker inspect --format '{{.Image}}' "$container") != $(docker image inspect --format '{{.Id}}' "$image") ]]
}

[[ -n $(compose ps --quiet lb) ]] || die "nothing runs here; start it with \"make up\""
keep_ha
replace_optional tls certificates
replace_redis
replace_tokenstore
replace_gateways
replace_optional metrics prometheus
if [[ ${BALANCER:-} == 1 ]]; then
    replace lb
elif balancer_differs; then
    say "the balancer has changed, too, and runs on as it was; BALANCER=1 replaces it, which fails requests for a second or two"
fi
say "done"
