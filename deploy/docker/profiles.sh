#!/usr/bin/env bash
# Prints Compose's profiles as it takes them itself: those of COMPOSE_PROFILES in the environment,
# else in .env, there without the spaces, quotes and comments of the line. "make up" and upgrade.sh
# ask it.
#
#   profiles="$(deploy/docker/profiles.sh)"
set -euo pipefail

readonly file=${1:-$(dirname "$0")/../../.env}
readonly line_of='^[[:space:]]*(export[[:space:]]+)?COMPOSE_PROFILES[[:space:]]*=[[:space:]]*(.*)$'

value=
if [[ -n ${COMPOSE_PROFILES+set} ]]; then
    value=$COMPOSE_PROFILES
elif [[ -f $file ]]; then
    while IFS= read -r line || [[ -n $line ]]; do
        [[ ${line%$'\r'} =~ $line_of ]] || continue
        value=${BASH_REMATCH[2]}
        case $value in
        \"*) value=${value#\"} value=${value%%\"*} ;;
        \'*) value=${value#\'} value=${value%%\'*} ;;
        \#*) value= ;;
        *)
            value=${value%%[[:space:]]#*}
            value=${value%"${value##*[![:space:]]}"}
            ;;
        esac
    done <"$file"
fi
printf '%s\n' "$value"
