#!/usr/bin/env bash
# Takes away what make up made: the provider, its functions' containers, volumes
# and network, and the data. Whatever is not labelled as ours stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-faas-docker}
ours=label=com.openfaas.provider=$COMPOSE_PROJECT_NAME

# remove <kind> <ids>: docker's own output, the identifiers, is of no use here.
remove() {
	local kind=$1 ids=$2
	[ -n "$ids" ] || return 0
	# One word for each identifier is meant.
	# shellcheck disable=SC2086
	case $kind in
	container) docker container rm --force --volumes $ids >/dev/null ;;
	*) docker "$kind" rm $ids >/dev/null ;;
	esac
	echo "removed $(wc -w <<<"$ids") $kind(s) of functions"
}

# The provider goes first: it would start again what it finds stopped.
scripts/compose.sh --profile monitoring --profile gateway down --volumes --remove-orphans
remove container "$(docker container ls --all --quiet --filter "$ours")"
remove volume "$(docker volume ls --quiet --filter "$ours")"
remove network "$(docker network ls --quiet --filter "$ours")"
echo "faas-docker is down; its functions, secrets and data are gone. Images stay until make clean."
