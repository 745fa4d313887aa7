#!/bin/sh
# test_layers.sh - the arrows of LAYERS, and who may call the allocator and the file system.
#
# Every #include "..." in engine, query, server and tools must stay in its folder or follow an arrow
# of LAYERS. malloc and its kin are called in engine/base/memory.c only, file system calls in
# engine/base/io*.c only; the exceptions are listed in `allowed` below. Offenders are printed as
# file:line. Before the tree itself, the checker is tried on a small tree full of offences.
set -eu
cd "${SOURCE_DIR:-.}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# "file word": what that file may call although its place says otherwise, and why.
# segcat is the independent reader: it includes nothing of the project, so its memory is its own.
cat >"$work/allowed" <<'ALLOWED'
tools/segcat/segcat.c calloc
tools/segcat/segcat.c free
ALLOWED

cat >"$work/check.awk" <<'AWK'
function folder_of(path)
{
    if (path !~ /\//)
        return "."
    sub(/\/[^\/]*$/, "", path)
    return path
}

function offence(what)
{
    printf "%s:%d: %s\n", FILENAME, FNR, what
    offences++
}

# The code of a line: no comments, no contents of strings. in_comment lives on to the next line.
function code_of(line,    code, start)
{
    gsub(/\\\\/, "", line)
    gsub(/\\"/, "", line)
    gsub(/'"'/, "", line)
    code = ""
    while (line != "") {
        if (in_comment) {
            start = index(line, "*/")
            if (start == 0)
                return code
            line = substr(line, start + 2)
            in_comment = 0
        } else if (match(line, /"[^"]*"|\/\/|\/\*/) == 0) {
            return code line
        } else {
            code = code substr(line, 1, RSTART - 1)
            start = substr(line, RSTART, 2)
            line = substr(line, RSTART + RLENGTH)
            if (start == "//")
                return code
            if (start == "/*")
                in_comment = 1
            else
                code = code "\"\""
        }
    }
    return code
}

function check_call(code, words, what,    word)
{
    while (match(code, "(^|[^A-Za-z0-9_.>])(" words ")[ \t]*\\(")) {
        word = substr(code, RSTART, RLENGTH)
        gsub(/[^a-z0-9_]/, "", word)
        if (!((FILENAME " " word) in allowed))
            offence(what " (" word ")")
        code = substr(code, RSTART + RLENGTH)
    }
}

function check_include(path,    target)
{
    target = folder_of(path)
    if (FILENAME ~ /^tools\/segcat\//)
        offence("segcat includes nothing of the project: " path)
    else if (target != layer && !((layer " " target) in arrow))
        offence("LAYERS has no arrow from " layer " to " target ": " path)
}

FILENAME == allowed_file { if (NF == 2) allowed[$1 " " $2] = 1; next }

FILENAME == "LAYERS" {
    if ($0 !~ /^[a-z\/]+:/)
        next
    layer = $1
    sub(/:$/, "", layer)
    is_layer[layer] = 1
    for (i = 2; i <= NF; i++) {
        if (!($i in is_layer) || $i == layer)
            offence("arrows point down: " layer " names " $i ", which isn't above it")
        arrow[layer " " $i] = 1
    }
    next
}

FNR == 1 {
    in_comment = 0
    files++
    layer = folder_of(FILENAME)
    if (layer == "tools/main" || layer == "tools/segcat")
        layer = "tools"
    if (!(layer in is_layer))
        offence("LAYERS has no layer " layer)
}

/^[ \t]*#[ \t]*include[ \t]*"/ && !in_comment {
    path = $0
    sub(/^[^"]*"/, "", path)
    sub(/".*/, "", path)
    check_include(path)
    next
}

{
    code = code_of($0)
    if (FILENAME != "engine/base/memory.c")
        check_call(code, "malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign",
                   "memory comes from engine/base/memory.h")
    if (FILENAME !~ /^engine\/base\/io[_.]/)
        check_call(code, "open|openat|creat|pread|pwrite|preadv|pwritev|fsync|fdatasync|syncfs",
                   "files are reached through engine/base/io.h")
}

END {
    if (files == 0) {
        print "no source files found"
        exit 1
    }
    printf "%d files, %d offences\n", files, offences
    exit offences != 0
}
AWK

# check_tree DIRECTORY: status 0 when it is clean.
check_tree()
{
    (
        cd "$1"
        find engine query server tools -name '*.[ch]' 2>/dev/null | sort >"$work/files"
        # shellcheck disable=SC2046
        awk -v allowed_file="$work/allowed" -f "$work/check.awk" "$work/allowed" LAYERS \
            $(cat "$work/files")
    )
}

# ---- the checker finds what it should find ----

mkdir -p "$work/bad/engine/low" "$work/bad/engine/high" "$work/bad/tools/segcat" \
    "$work/bad/tools/main" "$work/bad/engine/stray" "$work/bad/engine/base"
cat >"$work/bad/LAYERS" <<'LAYERS'
# a comment: with a colon
engine/base:
engine/low: engine/upside
engine/upside: engine/base
engine/high: engine/low
tools: engine/high
LAYERS
cat >"$work/bad/engine/low/low.c" <<'BAD'
#include "engine/low/low.h"
#include "engine/high/high.h"
/* malloc(1) in a comment, #include "tools/x.h"
#include "tools/x.h"
   free(p) */ int f = 0; // realloc(p)
static const char *s = "free(p) \" calloc(";
void g(void) { ops->open(x); o.free(x); my_free(x); free_all(x); reopen (x); }
void h(void) { int q = '"'; free(x); }
void i(void) { if (open (path, 0) < 0) fdatasync(fd); }
BAD
echo '#include "engine/low/low.h"' >"$work/bad/engine/high/high.c"
echo '#include "engine/low/low.h"' >"$work/bad/tools/main/main.c"
echo '#include "engine/low/low.h"' >"$work/bad/tools/segcat/segcat.c"
echo 'int x;' >"$work/bad/engine/stray/stray.c"
echo 'int y(void) { return open(p, 0); }' >"$work/bad/engine/base/io_posix.c"
echo 'int z(void) { free(p); return fsync(1); }' >"$work/bad/engine/base/memory.c"
cat >"$work/expected" <<'EXPECTED'
LAYERS:3: arrows point down: engine/low names engine/upside, which isn't above it
engine/base/memory.c:1: files are reached through engine/base/io.h (fsync)
engine/low/low.c:2: LAYERS has no arrow from engine/low to engine/high: engine/high/high.h
engine/low/low.c:8: memory comes from engine/base/memory.h (free)
engine/low/low.c:9: files are reached through engine/base/io.h (open)
engine/low/low.c:9: files are reached through engine/base/io.h (fdatasync)
engine/stray/stray.c:1: LAYERS has no layer engine/stray
tools/main/main.c:1: LAYERS has no arrow from tools to engine/low: engine/low/low.h
tools/segcat/segcat.c:1: segcat includes nothing of the project: engine/low/low.h
7 files, 9 offences
EXPECTED
if check_tree "$work/bad" >"$work/found"; then
    echo "the checker took a tree full of offences for a clean one"
    exit 1
fi
if ! diff "$work/expected" "$work/found"; then
    echo "the checker found something else (>) than it should (<)"
    exit 1
fi

# ---- the tree ----

check_tree .
