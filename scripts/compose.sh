#!/usr/bin/env bash
# Runs Docker Compose, whichever one there is, on this repository's project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh
if docker compose version >/dev/null 2>&1; then
	exec docker compose "$@"
fi
command -v docker-compose >/dev/null ||
	fail "Docker Compose is not installed." "See https://docs.docker.com/compose/install/"
exec docker-compose "$@"
