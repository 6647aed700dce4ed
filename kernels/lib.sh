# shellcheck shell=bash disable=SC2034
# What fetch and run share. Sourced, never run.

# mke2fs and debugfs live in sbin, which is not in everyone's PATH.
PATH=$PATH:/usr/sbin:/sbin

kernels=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${VMASCOPE_CACHE:-$kernels/../.cache/kernels}
me=kernels/${0##*/}

# Exit statuses follow sysexits.h, so that a caller can tell them apart.
EX_USAGE=64
EX_UNAVAILABLE=69

say() { printf '%s: %s\n' "$me" "$*" >&2; }

die() { # STATUS MESSAGE
    local status=$1
    shift
    say "$*"
    exit "$status"
}

need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null ||
        die $EX_UNAVAILABLE "$1 is missing: install the Debian package $2"
}

rows() { grep -v '^[[:space:]]*\(#\|$\)' "$kernels/list"; }

known() { rows | awk '{ printf "%s%s", sep, $1; sep = " " }'; }
