#!/usr/bin/env bash
# Makes sure that Go is there and, with the argument "race", the C compiler that
# `go test -race` needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

wanted=$(sed -n 's/^go //p' go.mod)

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
	fail "Go is not installed, or not on the PATH." "Install Go $wanted or newer from https://go.dev/dl/, then run make again." \
		"It is in /usr/local/go/bin after that: export PATH=\$PATH:/usr/local/go/bin"
# Old ones do not understand go.mod, and newer ones fetch the version that it names.
said=$(go list -m 2>&1) ||
	fail "This Go cannot build faas-docker: $(go version 2>/dev/null || echo "go version fails")." \
		"go says: ${said##*$'\n'}" "Install Go $wanted or newer from https://go.dev/dl/, then run make again."

if [ "${1:-}" = race ] && ! compiles; then
	can_install || fail "go test -race needs a C compiler and the C library's headers." \
		"Debian, Ubuntu: sudo apt-get install gcc libc6-dev" \
		"Fedora: sudo dnf install gcc    macOS: xcode-select --install"
	install_gcc
fi
