# What the scripts share; they source it from the root of the repository.
# shellcheck shell=bash

# What the user has set of what a later command needs, to act on the same installation.
set_by_user=()
for name in COMPOSE_PROJECT_NAME SECRETS_DIR; do
	[ -z "${!name:-}" ] || set_by_user+=("$name=$(printf %q "${!name}")")
done

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-faas-docker}

# Each installation has a folder of its own, because make down empties it.
secrets_standard=.secrets
[ "$COMPOSE_PROJECT_NAME" = faas-docker ] || secrets_standard=.secrets-$COMPOSE_PROJECT_NAME

# fail <line>...: says why, and ends the script.
fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

# make_again <target>: the command that has make do more with this installation.
make_again() { echo "make $*${set_by_user[*]+ ${set_by_user[*]}}"; }

# compose_again <argument>...: the same with Compose, which goes by the project's name.
compose_again() {
	local project=""
	[ "$COMPOSE_PROJECT_NAME" = faas-docker ] || project="COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME "
	echo "${project}scripts/compose.sh $*"
}

# check_project: the name is that of a network and of a folder, too.
check_project() {
	[[ $COMPOSE_PROJECT_NAME =~ ^[a-z0-9][a-z0-9_-]*$ ]] ||
		fail "COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME: want lower-case letters, digits, - and _, beginning with a letter or a digit."
}

# can_install: whether this user may install packages on this machine.
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# can_be_mounted <folder>: Compose separates the two sides of a mount by a colon.
can_be_mounted() {
	case $1 in
	*:*) fail "The path $1 has a colon in it, and cannot be mounted into a container." "Move it to one without." ;;
	esac
}

# provider_id: the provider's container; nothing if there is none. A function whose image has
# Compose's labels, too, is none.
provider_id() {
	local id role
	docker ps --all --format '{{.ID}} {{.Label "com.openfaas.role"}}' --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--filter label=com.docker.compose.service=provider | while read -r id role; do
		[ -n "$role" ] || { echo "$id" && break; }
	done
}
