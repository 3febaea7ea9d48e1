#!/usr/bin/env bash
# Removes the images that make built, and what was built for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rm -rf bin functions/*/handler
if docker info >/dev/null 2>&1; then
	ids=$(docker image ls --quiet --filter label=com.openfaas.sample=faas-docker | sort -u)
	# One word for each identifier is meant.
	# shellcheck disable=SC2086
	[ -z "$ids" ] || docker image rm --force $ids ||
		echo "Images that containers use stay: make down, then make clean again."
fi
