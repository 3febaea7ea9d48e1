#!/usr/bin/env bash
# Starts the provider from its local image, waits until every function of
# stack.yml answers, and says what to try. It may be run again at any time.
#
#   FAAS_PORT    the port on 127.0.0.1 (8080)
#   BASIC_AUTH   true closes the system API with credentials, made when missing
#   SECRETS_DIR  where the credentials are (.secrets)
#   PROFILES     "monitoring", "gateway" or both: also starts these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-faas-docker}
export FAAS_PORT=${FAAS_PORT:-8080}
export BASIC_AUTH=${BASIC_AUTH:-false}
export SECRETS_DIR=${SECRETS_DIR:-./.secrets}
wait_seconds=${WAIT_SECONDS:-120}
url=http://127.0.0.1:$FAAS_PORT
credentials=()

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

main() {
	command -v curl >/dev/null || fail "curl is missing: install it, then run make up again."
	find_socket
	find_registry_credentials
	prepare_secrets
	refuse_busy_port
	start
	await_provider
	await_functions
	say_what_to_try
}

# The provider's container gets the socket of the engine that docker itself uses.
find_socket() {
	local host=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}
	case $host in
	"") ;;
	unix://*) [ -n "${DOCKER_SOCK:-}" ] || export DOCKER_SOCK=${host#unix://} ;;
	*)
		fail "The engine is at $host: make up needs one on this machine." \
			"Run the provider itself instead: make build && DOCKER_HOST=$host bin/faas-docker"
		;;
	esac
}

# Mounting a folder that does not exist would create it, owned by root.
find_registry_credentials() {
	local folder=${DOCKER_CONFIG:-$HOME/.docker}
	if [ -f "$folder/config.json" ]; then
		DOCKER_CONFIG_DIR=$(cd "$folder" && pwd)
	else
		DOCKER_CONFIG_DIR=$PWD/.secrets/no-docker-config
		mkdir -p "$DOCKER_CONFIG_DIR"
	fi
	export DOCKER_CONFIG_DIR
}

prepare_secrets() {
	mkdir -p "$SECRETS_DIR"
	SECRETS_DIR=$(cd "$SECRETS_DIR" && pwd)
	case $BASIC_AUTH in
	false) return ;;
	true) ;;
	*) fail "BASIC_AUTH=$BASIC_AUTH: want true or false." ;;
	esac
	(
		umask 077
		[ -s "$SECRETS_DIR/basic-auth-user" ] || printf admin >"$SECRETS_DIR/basic-auth-user"
		[ -s "$SECRETS_DIR/basic-auth-password" ] ||
			od -An -N20 -tx1 /dev/urandom | tr -d ' \n' >"$SECRETS_DIR/basic-auth-password"
	)
	credentials=(--user "$(cat "$SECRETS_DIR/basic-auth-user"):$(cat "$SECRETS_DIR/basic-auth-password")")
}

refuse_busy_port() {
	if ours_has_port || ! (exec 3<>"/dev/tcp/127.0.0.1/$FAAS_PORT") 2>/dev/null; then return; fi
	explain_port
}

ours_has_port() {
	local id
	id=$(scripts/compose.sh ps -q provider 2>/dev/null) || return 1
	[ -n "$id" ] && docker port "$id" 8080/tcp 2>/dev/null | grep -q ":$FAAS_PORT\$"
}

explain_port() {
	fail "Port $FAAS_PORT on 127.0.0.1 is in use by another program." \
		"Choose another: make up FAAS_PORT=8090 (and export OPENFAAS_URL=http://127.0.0.1:8090 for faas-cli)"
}

start() {
	local profile arguments=()
	STACK_SUM=$(stack_sum)
	export STACK_SUM
	for profile in ${PROFILES:-}; do arguments+=(--profile "$profile"); done
	# The expansion is written for bash 4.3 and older, where an empty list is unset.
	scripts/compose.sh ${arguments[@]+"${arguments[@]}"} up -d --no-build ||
		fail "Docker Compose could not start the provider: the lines above say why." \
			"If the port is in use, choose another: make up FAAS_PORT=8090"
}

# A number that changes with stack.yml and with the images it names.
stack_sum() {
	local images
	images=$(awk '$1 == "image:" { print $2 }' stack.yml)
	{
		cat stack.yml
		# One word for each image is meant; those that are still to be pulled fail.
		# shellcheck disable=SC2086
		docker image inspect --format '{{.Id}}' $images 2>/dev/null || true
	} | cksum
}

ask() { curl --silent --max-time 5 ${credentials[@]+"${credentials[@]}"} "$@"; }

await_provider() {
	local deadline=$((SECONDS + wait_seconds))
	until [ "$(ask --output /dev/null --write-out '%{http_code}' "$url/healthz")" = 200 ]; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			scripts/compose.sh logs --tail 20 provider >&2
			fail "The provider did not become healthy within ${wait_seconds}s: its last lines are above."
		fi
		sleep 0.3
	done
}

await_functions() {
	local deadline=$((SECONDS + wait_seconds)) missing
	while missing=$(not_ready) && [ -n "$missing" ]; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			explain "$missing"
			fail "Not ready within ${wait_seconds}s: ${missing//$'\n'/ }" "All that the provider wrote: scripts/compose.sh logs provider"
		fi
		sleep 0.3
	done
}

# The names under "functions:" of stack.yml.
functions() {
	awk '/^[^ #]/ { inside = /^functions:/ } inside && /^  [a-z0-9]/ { sub(/:.*/, ""); print $1 }' stack.yml
}

# A function that somebody scaled to zero is as ready as it should be.
not_ready() {
	local name status
	for name in $(functions); do
		status=$(ask --fail "$url/system/function/$name") || { echo "$name" && continue; }
		case $status in
		*'"availableReplicas":'[1-9]*) ;;
		*'"replicas":'[1-9]*) echo "$name" ;;
		esac
	done
}

explain() {
	local name
	for name in $1; do
		echo "--- $name: what its log says" >&2
		ask "$url/system/logs?name=$name&tail=10&follow=false" >&2 || true
		echo >&2
	done
	echo "--- the provider" >&2
	scripts/compose.sh logs --tail 10 provider >&2
}

say_what_to_try() {
	local login=""
	if [ "$BASIC_AUTH" = true ]; then
		login="faas-cli login -g $url -u $(cat "$SECRETS_DIR/basic-auth-user") --password-stdin <$SECRETS_DIR/basic-auth-password"
		printf '\nThe credentials are in %s/basic-auth-user and basic-auth-password.\n' "$SECRETS_DIR"
	fi
	cat <<END

faas-docker is up at $url. Try:

  curl $url/function/echo -d 'hello'
  ${login:+$login && }faas-cli list -g $url
  scripts/compose.sh logs -f provider

make down takes all of it away again.
END
}

main
