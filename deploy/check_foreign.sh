#!/bin/sh
# What `make check` asks of shell and C: shellcheck, shfmt, clang-format. A tool that is missing is named, not passed over.
set -eu
cd "$(dirname "$0")/.."

missing=0
have() {
	command -v "$1" >/dev/null && return
	echo "make check: $1 is not installed; its part is skipped (sudo apt-get install $1)"
	missing=1
	return 1
}

scripts=$(git ls-files '*.sh' .ci/run)
sources=$(git ls-files 'bpf/*.c' 'bpf/*.h' 'collector/*.c')
# shellcheck disable=SC2086 # a list of names without spaces
if have shellcheck; then shellcheck $scripts; fi
# shellcheck disable=SC2086
if have shfmt; then shfmt -d $scripts; fi
# shellcheck disable=SC2086
if [ -n "$sources" ] && have clang-format; then clang-format --dry-run --Werror $sources; fi
[ "$missing" = 0 ] || echo "make check: passed as far as it could look"
