#!/bin/sh
# Notes which server is the primary, where Redis without sentinels finds it. Each sentinel calls it
# at a failover, with name, role, state, from-ip, from-port, to-ip, to-port.
set -eu
umask 022
new=$(mktemp /run/redis/primary.XXXXXX)
echo "$6" >"$new"
chmod 644 "$new"
mv "$new" /run/redis/primary
