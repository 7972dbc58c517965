#!/bin/sh
# Starts a Redis Sentinel, one of three that watch the servers redis, redis-2 and redis-3. What it
# learns it keeps in its volume, above all which server is the primary: after a restart of
# everything the one with the newest data is it again.
#
# Settings: REDIS_NAME, the name of this service; REDIS_SENTINELS, which the servers need as well.
set -eu

name=${REDIS_NAME:?}
[ -n "${REDIS_SENTINELS:-}" ] || {
    echo "sentinel-start: REDIS_SENTINELS is empty, so nobody would ask the sentinels. Set the four lines of the profile ha, see .env.example" >&2
    exit 1
}
config=/data/$name.conf
# The first server that starts generates it.
tries=0
until [ -s /run/redis/password ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "sentinel-start: there is no /run/redis/password: does Redis run?" >&2; exit 1; }
    sleep 1
done
umask 077
# Names and not addresses: a container that is made anew has another address.
[ -s "$config" ] || cat >"$config" <<CONFIG
port 26379
bind * -::*
protected-mode no
dir /data
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $name
sentinel announce-port 26379
sentinel monitor carousel redis 6379 2
sentinel auth-pass carousel $(cat /run/redis/password)
sentinel down-after-milliseconds carousel 5000
sentinel failover-timeout carousel 15000
sentinel client-reconfig-script carousel /usr/local/bin/sentinel-note
CONFIG
exec redis-server "$config" --sentinel
