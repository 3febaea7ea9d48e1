#!/usr/bin/env bash
# Makes sure that Go is there and, with the argument "race", the C compiler that
# `go test -race` needs.
set -euo pipefail

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

install_gcc() {
	echo "installing gcc and libc6-dev, which go test -race needs"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
}

compiles() {
	local compiler
	compiler=$(go env CC)
	printf '#include <stdlib.h>\nint main(void) { return 0; }\n' |
		${compiler:-gcc} -x c -fsyntax-only - 2>/dev/null
}

command -v go >/dev/null ||
	fail "Go is not installed, or not on the PATH." "Install it from https://go.dev/dl/ (go.mod names the version), then run make again."

if [ "${1:-}" = race ] && ! compiles; then
	can_install || fail "go test -race needs a C compiler and the C library's headers." \
		"Debian, Ubuntu: sudo apt-get install gcc libc6-dev" \
		"Fedora: sudo dnf install gcc    macOS: xcode-select --install"
	install_gcc
fi
