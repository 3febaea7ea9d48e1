#!/usr/bin/env bash
# Takes away what make up made: the provider, its functions' containers, volumes
# and network, and the data. Whatever is not labelled as ours stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

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

# Containers of others, which stay, may be in the functions' network.
remove_network() {
	local id=$1 others
	others=$(docker network inspect --format '{{range .Containers}}{{.Name}} {{end}}' "$id")
	[ -z "$others" ] || fail "Containers that are not faas-docker's are in the functions' network: $others" \
		"Disconnect or remove them (docker network disconnect $COMPOSE_PROJECT_NAME NAME), then run make down again."
	remove network "$id"
}

# What make up made beside the user's own files.
remove_secrets() {
	local folder=$1 name
	[ -d "$folder" ] || return 0
	if [ -n "$(docker ps --all --quiet --filter label=com.docker.compose.service=provider --filter "volume=$(cd "$folder" && pwd)")" ]; then
		echo "The files in $folder stay: another installation uses them."
		return 0
	fi
	if [ -f "$folder/made-by-make-up" ]; then
		while read -r name; do rm -f "$folder/${name##*/}"; done <"$folder/made-by-make-up"
	fi
	rm -f "$folder/stack.env" "$folder/made-by-make-up"
	rmdir "$folder/no-docker-config" "$folder/no-route-files" "$folder" 2>/dev/null || true # what is not empty has the user's own files
}

# secrets_folder: the one that was named, or that the provider has.
secrets_folder() {
	local id found=""
	[ -n "${SECRETS_DIR:-}" ] || ! id=$(provider_id) || [ -z "$id" ] ||
		found=$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/run/secrets"}}{{.Source}}{{end}}{{end}}' "$id")
	[ -d "$found" ] || found=$secrets_standard
	echo "${SECRETS_DIR:-$found}"
}

check_project
docker info >/dev/null 2>&1 || fail "No Docker engine answers: docker info says why. Start it, and run make down again."

secrets=$(secrets_folder)
# The provider goes first: it would start again what it finds stopped.
scripts/compose.sh --profile monitoring --profile gateway down --volumes --remove-orphans
remove container "$(docker container ls --all --quiet --filter "$ours")"
remove volume "$(docker volume ls --quiet --filter "$ours")"
for id in $(docker network ls --quiet --filter "$ours"); do remove_network "$id"; done
remove_secrets "$secrets"
echo "faas-docker is down; its functions, secrets and data are gone. Binaries and images stay until make clean."
