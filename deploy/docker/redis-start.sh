#!/bin/sh
# Starts Redis with a password. It is generated at the first start and kept in the volume that only the tokenstore mounts, too,
# as the URL that the tokenstore reads.
set -eu

secret=/run/redis
if [ ! -s "$secret/password" ]; then
    umask 022
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$secret/password.new"
    mv "$secret/password.new" "$secret/password"
fi
password=$(cat "$secret/password")
printf 'redis://:%s@redis:6379/0\n' "$password" >"$secret/url.new"
mv "$secret/url.new" "$secret/url"
# By the standard input: an argument could be read by whoever lists processes.
exec redis-server - <<CONFIG
include /etc/carousel/redis.conf
requirepass $password
maxmemory ${REDIS_MAXMEMORY:-0}
CONFIG
