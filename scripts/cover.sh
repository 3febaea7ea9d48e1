#!/usr/bin/env bash
# cover.sh <package> <percent>: fails when the package's own tests run through less
# of its statements.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=$1 least=$2
said=$(go test -cover "$package") || { printf '%s\n' "$said" >&2; exit 1; }
covered=$(sed -n 's/.*coverage: \([0-9.]*\)% of statements.*/\1/p' <<<"$said")
[ -n "$covered" ] || { echo "cover.sh: go test -cover $package says nothing of coverage: $said" >&2; exit 1; }
if awk -v covered="$covered" -v least="$least" 'BEGIN { exit !(covered + 0 < least + 0) }'; then
	echo "The tests of $package cover $covered % of its statements, want at least $least %." >&2
	echo "What they leave out: go test -coverprofile=/tmp/cover $package && go tool cover -html=/tmp/cover" >&2
	exit 1
fi
echo "$package: $covered % of its statements covered by its tests (at least $least %)"
