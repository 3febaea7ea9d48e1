#!/usr/bin/env bash
# bench.sh <rounds> <seconds> <functions>: builds what is measured and what it is
# compared with, measures, and writes BENCHMARKS.md. Whatever happens, the
# containers, networks and images that it made are removed at the end. nginx, Caddy,
# wrk and h2load are installed when missing, on Debian and Ubuntu as root.
# bench.sh <rounds> wake: the same for how long sleeping functions take to answer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=$1 length=$2 functions=${3-}
programs=bin/bench
installation=faas-docker-bench-$$

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

install_missing() {
	local program missing=()
	for program in nginx caddy wrk; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
	command -v h2load >/dev/null || missing+=(nghttp2-client)
	[ "${#missing[@]}" -gt 0 ] || return 0
	can_install || fail "The benchmark needs ${missing[*]}." "Debian, Ubuntu: sudo apt-get install ${missing[*]}"
	echo "installing ${missing[*]}"
	apt-get update -qq
	# The packages would start nginx and Caddy on port 80 unasked.
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build() { CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$programs/$1" "$2"; }

build_programs() {
	mkdir -p "$programs"
	build faas-docker .
	build bench ./bench
	local name
	for name in hello rpc stock reverse steady; do build "$name" "./bench/$name"; done
}

build_images() {
	local name folder
	for name in hello rpc; do
		folder=$programs/image-$name
		mkdir -p "$folder"
		cp "$programs/$name" "bench/$name/Dockerfile" "$folder"
		scripts/image.sh "faas-docker/bench-$name" "$folder"
	done
}

# remove <kind> <ids>: docker's own output, the identifiers, is of no use here.
remove() {
	[ -n "$2" ] || return 0
	# One word for each identifier is meant.
	# shellcheck disable=SC2086
	case $1 in
	container) docker container rm --force --volumes $2 ;;
	*) docker "$1" rm $2 ;;
	esac >/dev/null || true
}

clean_up() {
	local suffix ours
	for suffix in "" -crowd -alone; do
		ours=label=com.openfaas.provider=$installation$suffix
		remove container "$(docker container ls --all --quiet --filter "$ours")"
		remove volume "$(docker volume ls --quiet --filter "$ours")"
		remove network "$(docker network ls --quiet --filter "$ours")"
	done
	docker image rm faas-docker/bench-hello faas-docker/bench-rpc >/dev/null 2>&1 || true
}

[ "$(uname -s)" = Linux ] || fail "The benchmark needs Linux: it reads /proc and calls containers by their addresses."
[ "$length" = wake ] || install_missing
build_programs
trap clean_up EXIT
# With a trap on them, signals end the script through clean_up, and not before
# the benchmark has ended its processes.
trap 'exit 1' INT TERM
build_images
if [ "$length" = wake ]; then
	"$programs/bench" -wake -rounds "$rounds" -programs "$programs" -installation "$installation" -out BENCHMARKS.md
	exit
fi
"$programs/bench" -rounds "$rounds" -length "${length}s" -functions "$functions" \
	-programs "$programs" -installation "$installation" -out BENCHMARKS.md
