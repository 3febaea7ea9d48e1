#!/usr/bin/env bash
# Makes sure that a Docker engine answers; with the argument "compose", that
# Docker Compose is there too. On Debian and Ubuntu, as root, it installs and
# starts what is missing; elsewhere it says what to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

engine_log=/var/log/faas-docker-dockerd.log
wait_seconds=60

answers() { docker info >/dev/null 2>&1; }

has_compose() { docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; }

# A package that this release does not have is passed over: the next may do.
install_first_of() {
	local package
	for package in "$@"; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			echo "installing $package"
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
			return
		fi
	done
	fail "None of these packages can be had from apt: $*"
}

install_engine() {
	if command -v dockerd >/dev/null && command -v docker >/dev/null; then return; fi
	apt-get update -qq
	command -v dockerd >/dev/null || install_first_of docker.io
	# Newer releases have the client in a package of its own.
	command -v docker >/dev/null || install_first_of docker-cli docker.io
}

start_engine() {
	echo "starting the Docker engine"
	if [ -d /run/systemd/system ]; then
		systemctl start docker
	elif ! { [ -x /etc/init.d/docker ] && service docker start >/dev/null 2>&1; }; then
		nohup setsid dockerd >"$engine_log" 2>&1 </dev/null &
	fi
	await_engine
}

await_engine() {
	local deadline=$((SECONDS + wait_seconds))
	until answers; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			[ ! -f "$engine_log" ] || tail -n 20 "$engine_log" >&2
			fail "The Docker engine did not answer within ${wait_seconds}s." \
				"Its log: $engine_log, /var/log/docker.log or journalctl -u docker"
		fi
		sleep 0.5
	done
}

explain_silence() {
	local said
	said=$(docker info 2>&1 || true)
	case $said in
	*"ermission denied"*)
		fail "You may not talk to the Docker engine." \
			"Run: sudo usermod -aG docker $(id -un), log out and in again; or run make with sudo."
		;;
	esac
	command -v docker >/dev/null ||
		fail "Docker is not installed." "Install it from https://docs.docker.com/engine/install/, then run make again."
	fail "No Docker engine answers${DOCKER_HOST:+ at DOCKER_HOST=$DOCKER_HOST}." \
		"Start it (sudo systemctl start docker, or Docker Desktop), then run make again." \
		"docker info says: ${said##*$'\n'}"
}

if ! answers; then
	# An engine that was named is not ours to start.
	if [ -n "${DOCKER_HOST:-}" ] || ! can_install; then explain_silence; fi
	install_engine
	answers || start_engine
fi

if [ "${1:-}" = compose ] && ! has_compose; then
	can_install || fail "Docker Compose is not installed." "See https://docs.docker.com/compose/install/"
	apt-get update -qq
	install_first_of docker-compose-v2 docker-compose-plugin docker-compose
	has_compose || fail "Docker Compose was installed, but does not run: docker-compose version says why."
fi
