#!/bin/sh
# test_format.sh - the column tables of FORMAT.md 2.2 say what engine/span/column.def says.
set -eu
cd "${SOURCE_DIR:-.}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -F, '/^COLUMN\(/ {
    sub(/^COLUMN\(/, "", $1)
    for (i = 1; i <= 6; i++) gsub(/ /, "", $i)
    print tolower($1), $2, $3, $4, $6
}' engine/span/column.def >"$work/code"

awk -F'|' '
    /^## 3\. / { exit }
    /^\*\*(spans|scores|tags)\*\*$/ { gsub(/\*/, ""); table = $0 }
    table != "" && /^\| *[0-9]+ *\|/ {
        for (i = 2; i <= 5; i++) gsub(/ /, "", $i)
        print table, $2, $3, $4, ($5 == "" ? 1 : $5)
    }' FORMAT.md >"$work/format"

if ! diff "$work/code" "$work/format" >"$work/diff"; then
    echo "FORMAT.md 2.2 (>) and engine/span/column.def (<) differ:"
    cat "$work/diff"
    exit 1
fi
lines=$(wc -l <"$work/code")
[ "$lines" -ge 60 ] || { echo "only $lines columns found in column.def"; exit 1; }
echo "$lines columns agree"
