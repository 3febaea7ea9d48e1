#!/usr/bin/env bash
# Starts the provider from its local image, waits until every function of the stack
# file answers, and says what to try. It may be run again at any time.
#
#   FAAS_HOST    the address that the provider is published on (127.0.0.1); beyond
#                loopback only with BASIC_AUTH=true
#   FAAS_PORT    the port there (8080)
#   BASIC_AUTH   true closes the system API with credentials, made when missing
#   SECRETS_DIR  where the credentials are (.secrets; .secrets-NAME for another
#                COMPOSE_PROJECT_NAME)
#   STACK_FILE   what to deploy (stack.yaml here, or else stack.yml, the samples)
#   ROUTES_DIR   the folder of the files that routes and com.openfaas.auth name
#                (route-files beside the stack file, where that is a folder)
#   ENV_FILE     a file of NAME=value lines for the ${NAME} of the stack file (.env)
#   PROFILES     "monitoring", "gateway" or both: also starts these
#   DOCKER_SOCK  the engine's socket (the one that docker itself uses)
#   WAIT_SECONDS how long to wait for the provider, and for the functions (120)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

export FAAS_HOST=${FAAS_HOST:-127.0.0.1}
export FAAS_PORT=${FAAS_PORT:-8080}
export BASIC_AUTH=${BASIC_AUTH:-false}
SECRETS_DIR=${SECRETS_DIR:-$secrets_standard}
wait_seconds=${WAIT_SECONDS:-120}

main() {
	check_project
	check_address
	find_socket
	find_stack
	prepare_secrets
	find_registry_credentials
	find_route_files
	write_variables
	refuse_busy_port
	start
	await_provider
	await_functions
	say_what_to_try
}

# Compose wants an IPv6 address in brackets, and so does a URL.
check_address() {
	case $FAAS_HOST in
	localhost) FAAS_HOST=127.0.0.1 ;;
	\[*\]) ;;
	*:*) FAAS_HOST="[$FAAS_HOST]" ;;
	esac
	[[ $FAAS_HOST =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}$ || $FAAS_HOST =~ ^\[[0-9a-fA-F:.]+\]$ ]] ||
		fail "FAAS_HOST=$FAAS_HOST: want an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1."
	case $BASIC_AUTH in
	true | false) ;;
	*) fail "BASIC_AUTH=$BASIC_AUTH: want true or false." ;;
	esac
	[[ $FAAS_PORT =~ ^[0-9]{1,5}$ ]] && [ "$FAAS_PORT" -ge 1 ] && [ "$FAAS_PORT" -le 65535 ] ||
		fail "FAAS_PORT=$FAAS_PORT: want a number from 1 to 65535."
	[[ $wait_seconds =~ ^[1-9][0-9]*$ ]] || fail "WAIT_SECONDS=$wait_seconds: want a number of seconds."
	if [ "$BASIC_AUTH" = false ] && ! is_loopback; then
		fail "FAAS_HOST=$FAAS_HOST: whoever reaches this address could start containers on this machine." \
			"Close the system API with credentials: make up FAAS_HOST=$FAAS_HOST BASIC_AUTH=true"
	fi
	url=http://$FAAS_HOST:$FAAS_PORT
	case $FAAS_HOST in
	0.0.0.0) url=http://127.0.0.1:$FAAS_PORT ;;
	"[::]") url="http://[::1]:$FAAS_PORT" ;;
	esac
}

is_loopback() { [[ $FAAS_HOST =~ ^127(\.[0-9]{1,3}){3}$ || $FAAS_HOST = "[::1]" ]]; }

# The provider's container gets the folder of the socket that docker itself uses.
find_socket() {
	local host=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}
	local socket=${DOCKER_SOCK:-}
	case $host in
	"" | unix://*) socket=${socket:-${host#unix://}} ;;
	*)
		[ -n "$socket" ] || fail "The engine is at $host: make up needs one on this machine." \
			"Run the provider itself instead: make build && DOCKER_HOST=$host bin/faas-docker"
		;;
	esac
	socket=${socket:-/var/run/docker.sock}
	# A link is followed here, because in the container it would lead elsewhere.
	[ ! -L "$socket" ] || socket=$(readlink -f "$socket")
	export ENGINE_FOLDER=${socket%/*} ENGINE_ADDRESS=unix:///run/engine/${socket##*/}
	[ -n "${DOCKER_SOCK:-}" ] || find_socket_of_machine
	can_be_mounted "$ENGINE_FOLDER"
}

# An engine in a virtual machine has another socket there than it shows here.
find_socket_of_machine() {
	case "$(uname -s) $(docker info --format '{{.OperatingSystem}}' 2>/dev/null || true)" in
	*"Docker Desktop"*)
		# It offers this one file of its machine.
		ENGINE_FOLDER=/var/run/docker.sock ENGINE_ADDRESS=unix:///run/engine
		echo "Docker Desktop: make up was never tried with it; docs/install.md says what differs."
		;;
	Darwin*)
		ENGINE_FOLDER=/var/run ENGINE_ADDRESS=unix:///run/engine/docker.sock
		echo "macOS: make up was never tried here; docs/install.md says what may differ."
		;;
	esac
}

find_stack() {
	local candidate
	if [ -z "${STACK_FILE:-}" ]; then
		for candidate in stack.yaml stack.yml; do
			STACK_FILE=$candidate
			[ ! -f "$candidate" ] || break
		done
	fi
	[ -f "$STACK_FILE" ] || fail "STACK_FILE=$STACK_FILE: there is no such file."
	STACK_DIR=$(cd "$(dirname "$STACK_FILE")" && pwd)
	STACK_NAME=$(basename "$STACK_FILE")
	export STACK_DIR STACK_NAME
	can_be_mounted "$STACK_DIR"
}

# Mounting a folder that does not exist would create it, owned by root.
find_registry_credentials() {
	local folder=${DOCKER_CONFIG:-$HOME/.docker}
	if [ -f "$folder/config.json" ]; then
		DOCKER_CONFIG_DIR=$(cd "$folder" && pwd)
	else
		DOCKER_CONFIG_DIR=$SECRETS_DIR/no-docker-config
		mkdir -p "$DOCKER_CONFIG_DIR"
	fi
	export DOCKER_CONFIG_DIR
	can_be_mounted "$DOCKER_CONFIG_DIR"
}

find_route_files() {
	local beside=$STACK_DIR/route-files empty=$SECRETS_DIR/no-route-files
	if [ -n "${ROUTES_DIR:-}" ]; then
		[ -d "$ROUTES_DIR" ] || fail "ROUTES_DIR=$ROUTES_DIR: there is no such folder."
	elif [ -d "$beside" ]; then
		ROUTES_DIR=$beside
	else
		mkdir -p "$empty"
		ROUTES_DIR=$empty
	fi
	ROUTES_DIR=$(cd "$ROUTES_DIR" && pwd)
	export ROUTES_DIR
	can_be_mounted "$ROUTES_DIR"
}

prepare_secrets() {
	mkdir -p "$SECRETS_DIR" || fail "The folder $SECRETS_DIR cannot be made." \
		"If an earlier make up ran as root, remove it with sudo, or choose another: make up SECRETS_DIR=~/.faas-docker"
	SECRETS_DIR=$(cd "$SECRETS_DIR" && pwd)
	export SECRETS_DIR
	can_be_mounted "$SECRETS_DIR"
	[ -w "$SECRETS_DIR" ] || fail "You may not write to $SECRETS_DIR." \
		"If an earlier make up ran as root, run this one with sudo, or choose another folder: make up SECRETS_DIR=~/.faas-docker"
	[ "$BASIC_AUTH" = true ] || return 0
	(
		umask 077
		cd "$SECRETS_DIR"
		[ -s basic-auth-user ] || { printf admin >basic-auth-user && echo basic-auth-user >>made-by-make-up; }
		[ -s basic-auth-password ] || {
			od -An -N20 -tx1 /dev/urandom | tr -d ' \n' >basic-auth-password && echo basic-auth-password >>made-by-make-up
		}
	)
}

# The provider does not see this shell's variables: those that the stack file names are
# written down for it, over those of ENV_FILE.
write_variables() {
	local name value from=${ENV_FILE:-.env}
	[ -z "${ENV_FILE:-}" ] || [ -f "$from" ] || fail "ENV_FILE=$from: there is no such file."
	(
		umask 077
		{
			[ ! -f "$from" ] || { cat "$from" && echo; }
			grep -oE '\$\{#?[A-Za-z_][A-Za-z0-9_]*' "$STACK_DIR/$STACK_NAME" | tr -d '${#' | sort -u | while read -r name; do
				[ -n "${!name+set}" ] || continue
				value=${!name//\\/\\\\} value=${value//\"/\\\"}
				printf '%s="%s"\n' "$name" "${value//$'\n'/\\n}"
			done || true # grep finds nothing
		} >"$SECRETS_DIR/stack.env"
	)
}

refuse_busy_port() {
	if ours_has_port || ! is_open "${FAAS_HOST//[\[\]]/}" "$FAAS_PORT"; then return; fi
	fail "Port $FAAS_PORT on $FAAS_HOST is in use by $(who_has_port)." \
		"Choose another: $(make_again up FAAS_PORT=8090), and export OPENFAAS_URL=http://127.0.0.1:8090 for faas-cli."
}

is_open() {
	local host=$1
	case $host in
	0.0.0.0) host=127.0.0.1 ;;
	"::") host=::1 ;;
	esac
	(exec 3<>"/dev/tcp/$host/$2") 2>/dev/null
}

ours_has_port() {
	local id
	id=$(provider_id) && [ -n "$id" ] && docker port "$id" 8080/tcp 2>/dev/null | grep -q ":$FAAS_PORT\$"
}

# who_has_port names the container, or else the process as far as this user may see it.
who_has_port() {
	local found
	found=$(docker ps --filter "publish=$FAAS_PORT" --format 'container {{.Names}} of image {{.Image}}' 2>/dev/null | head -n 1)
	if [ -z "$found" ] && command -v ss >/dev/null; then
		found=$(ss -Hltnp "sport = :$FAAS_PORT" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/process \1, pid \2/p' | head -n 1)
	fi
	if [ -z "$found" ] && command -v lsof >/dev/null; then
		found=$(lsof -nP -iTCP:"$FAAS_PORT" -sTCP:LISTEN -F cp 2>/dev/null | sed -n 's/^p/pid /p; s/^c/process /p' | head -n 2 | tr '\n' ' ')
	fi
	echo "${found:-a process that this user may not see (sudo ss -ltnp sport = :$FAAS_PORT shows it)}"
}

start() {
	local profile arguments=()
	for profile in ${PROFILES:-}; do
		case $profile in
		monitoring) arguments+=(--profile "$profile") ;;
		gateway)
			arguments+=(--profile "$profile")
			export GATEWAY_CLIENT=gateway
			export GATEWAY_ORIGINS="http://127.0.0.1:${GATEWAY_PORT:-8081},http://localhost:${GATEWAY_PORT:-8081}"
			;;
		*) fail "PROFILES=$PROFILES: want monitoring, gateway or both." ;;
		esac
	done
	# The expansion is written for bash 4.3 and older, where an empty list is unset.
	scripts/compose.sh ${arguments[@]+"${arguments[@]}"} up -d --no-build ||
		fail "Docker Compose could not start the provider: the lines above say why." \
			"If it is the port: $FAAS_PORT is in use by $(who_has_port). Choose another: $(make_again up FAAS_PORT=8090)"
	provider=$(provider_id)
}

# A provider that ends at once would be started again and again.
await_provider() {
	local deadline=$((SECONDS + wait_seconds)) said
	until said=$(docker exec "$provider" /faas-docker healthcheck 2>&1); do
		if [ "$(docker inspect --format '{{.RestartCount}}' "$provider" 2>/dev/null || echo 9)" -gt 2 ]; then
			show_log 5
			fail "The provider does not start: its last lines are above."
		fi
		if [ "$SECONDS" -ge "$deadline" ]; then
			show_log 20
			fail "The provider did not become healthy within ${wait_seconds}s: $said" "Its last lines are above."
		fi
		sleep 0.3
	done
	is_open "${FAAS_HOST//[\[\]]/}" "$FAAS_PORT" ||
		fail "The provider is healthy, but $url cannot be reached from here." \
			"A firewall may keep this machine from the ports that Docker publishes."
}

show_log() { docker logs --tail "$1" "$provider" 2>&1 | sed 's/^/  /' >&2; }

# The provider knows its stack file: it deploys it again, and says how the functions are.
await_functions() {
	docker exec "$provider" /faas-docker stack deploy "${wait_seconds}s" ||
		fail "The provider runs, and so does each function that is ready. What it wrote: $(compose_again logs provider)" \
			"When the reason is gone, it deploys the rest by itself; make up may be run again."
}

say_what_to_try() {
	local login="" ready name flag="" environment=""
	[ "$url" = http://127.0.0.1:8080 ] || flag=" -g $url" environment="export OPENFAAS_URL=$url
  "
	if [ "$BASIC_AUTH" = true ]; then
		printf '\nThe credentials are in %s/basic-auth-user and basic-auth-password.\n' "$SECRETS_DIR"
		login="faas-cli login$flag -u $(cat "$SECRETS_DIR/basic-auth-user") --password-stdin <'$SECRETS_DIR/basic-auth-password'
  "
	fi
	ready=$(docker exec "$provider" /faas-docker stack 2>/dev/null | sed -n 's/^\([^ ]*\): ready$/\1/p')
	name=$(grep -m 1 '^echo\.' <<<"$ready" || head -n 1 <<<"$ready")
	cat <<END

faas-docker is up at $url. Try:

  ${environment}${login}${name:+curl $url/function/${name%.openfaas-fn} -d 'hello'
  }faas-cli list
  $(compose_again logs -f provider)

$(make_again down) takes all of it away again.
END
	command -v faas-cli >/dev/null || echo "faas-cli is not installed: docs/install.md says where it comes from."
}

main
