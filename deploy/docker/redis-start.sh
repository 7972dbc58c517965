#!/bin/sh
# Starts Redis with a password. It is generated at the first start and kept in the volume that only
# the tokenstore mounts, too, as the URLs that the tokenstore reads: "url" leads to the service
# redis, "sentinel-url" to whichever server the sentinels name.
#
# Settings: REDIS_NAME, the name of this service; REDIS_SENTINELS, host:port of the sentinels with
# commas between, empty where there is one Redis alone. With sentinels this server is the primary if
# two of them say so, and else a replica of that one.
set -eu

name=${REDIS_NAME:-redis}
sentinels=${REDIS_SENTINELS:-}
secret=/run/redis
umask 022

die() { echo "redis-start: $*" >&2; exit 1; }

# write file: what comes in, whole or not at all. Several servers may do this at the same time.
write() {
    new=$(mktemp "$1.XXXXXX")
    cat >"$new"
    chmod 644 "$new"
    mv "$new" "$1"
}

# The first one's password is everybody's: a link is not made over another file.
new_password() {
    new=$(mktemp "$secret/password.XXXXXX")
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$new"
    chmod 644 "$new"
    ln "$new" "$secret/password" 2>/dev/null || true
    rm "$new"
}

# The primary that two sentinels name; nothing while they don't.
named_primary() {
    for each in $(echo "$sentinels" | tr , ' '); do
        timeout 3 redis-cli -h "${each%:*}" -p "${each##*:}" --raw SENTINEL get-master-addr-by-name carousel 2>/dev/null | head -n 1
    done | sort | uniq -c | while read -r count each; do
        [ "$count" -lt 2 ] || echo "$each"
    done
}

[ -s "$secret/password" ] || new_password
password=$(cat "$secret/password")
printf 'redis://:%s@redis:6379/0\n' "$password" | write "$secret/url"

replication=
if [ -n "$sentinels" ]; then
    printf 'redis://:%s@%s/0?master=carousel\n' "$password" "$sentinels" | write "$secret/sentinel-url"
    primary= tries=0
    while primary=$(named_primary); [ -z "$primary" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || die "no two of the sentinels $sentinels name a primary: do they run?"
        sleep 1
    done
    # What goes on without sentinels is preferred, so that the way back is short.
    priority=100
    [ "$name" != redis ] || priority=50
    replication="masterauth $password
replica-announce-ip $name
replica-announce-port 6379
replica-priority $priority
repl-diskless-sync-delay 0"
    [ "$primary" = "$name" ] || replication="$replication
replicaof $primary 6379"
    echo "redis-start: the primary is $primary"
elif [ "$name" != redis ]; then
    die "REDIS_SENTINELS is empty, so nobody says whose replica this is. Set the four lines of the profile ha, see .env.example"
elif [ -s "$secret/primary" ] && [ "$(cat "$secret/primary")" != redis ]; then
    die "$(cat "$secret/primary") has the newest data: start it again with sentinels, and make redis the primary before you turn them off (docs/redis.md)"
fi

# By the standard input: an argument could be read by whoever lists processes.
exec redis-server - <<CONFIG
include /etc/carousel/redis.conf
requirepass $password
maxmemory ${REDIS_MAXMEMORY:-0}
$replication
CONFIG
