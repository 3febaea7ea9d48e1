#!/usr/bin/env bash
# Runs Docker Compose, whichever one there is, on this repository's project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-faas-docker}
if docker compose version >/dev/null 2>&1; then
	exec docker compose "$@"
fi
exec docker-compose "$@"
