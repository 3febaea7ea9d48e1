#!/usr/bin/env bash
# fuzz.sh <time> [pattern]: runs each fuzzer whose name matches, one after the other,
# for a time such as 10m. It ends with the first finding, which go test writes down
# as a test case below testdata.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=$1 pattern=${2:-.}

# grep prints "./room/file_test.go:func FuzzName(".
grep --recursive --extended-regexp --only-matching --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . |
	sort | while IFS=: read -r file name; do
	name=${name#func }
	[[ "$(dirname "$file")/$name" =~ $pattern ]] || continue
	echo "$(dirname "$file") $name for $time"
	# Fuzzers that speak over connections take another way each time, and would
	# spend it all on making inputs shorter.
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 10x "$(dirname "$file")"
done
