#!/bin/sh
# Makes .venv with everything sbiscope needs, from the pinned, hashed lock. What the system lacks is installed with apt
# where this runs as root (or sudo asks for nothing); else one line says which packages to install. `install.sh bench`
# also brings the tools that the benches compare with, `install.sh check` those that look at shell and C, `install.sh
# kernels` and `install.sh kubernetes` what `make test-kernels` and `make test-kubernetes` need.
set -eu
cd "$(dirname "$0")/.."

say() { echo "sbiscope setup: $*"; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
	command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# need WHY PACKAGE...: apt packages that must be there.
packages=
need() {
	why=$1
	shift
	if ! may_install; then
		echo "sbiscope setup: $why is missing; install it and run again: sudo apt-get install $*" >&2
		exit 1
	fi
	say "installing $* ($why)"
	packages="$packages $*"
}

# All at once: each call of apt would read the lists again.
install_needed() {
	[ -n "$packages" ] || return 0
	as_root apt-get update -qq
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	{ echo "sbiscope setup: $python is older than 3.11; name a newer one: make PYTHON=python3.11" >&2 && exit 1; }
"$python" -c 'import ensurepip, venv' 2>/dev/null || need "the venv module of Python" python3-venv
headers=$("$python" -c 'import sysconfig, os; print(os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))')
if ! command -v cc >/dev/null || [ "$headers" != True ]; then
	if may_install; then
		need "a C compiler with Python's headers, for the decoder" gcc libc6-dev python3-dev
	else
		say "no C compiler or no Python.h: nothing is compiled, decoding is 30 to 100 times slower (sudo apt-get install gcc libc6-dev python3-dev)"
	fi
fi
java_major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
[ "${java_major:-0}" -ge 17 ] || need "Java 17 or newer, for Kafka" openjdk-17-jre-headless
command -v mvn >/dev/null || need "Maven, which fetches Kafka" maven
if [ "$(id -u)" = 0 ] && [ -e /sys/kernel/btf/vmlinux ] && [ ! -d /usr/lib/python3/dist-packages/bcc ]; then
	need "bcc, which loads the kernel probes" python3-bpfcc
fi

if [ "${1:-}" = bench ]; then # what the baselines are
	for program in tshark tcpdump nghttpd h2load haproxy; do
		command -v "$program" >/dev/null && continue
		need "$program, a baseline or a load" tshark tcpdump nghttp2-client nghttp2-server libnghttp2-dev haproxy
		break
	done
fi

if [ "${1:-}" = check ] && may_install; then # elsewhere check_foreign.sh names what it could not ask
	for program in shellcheck shfmt clang-format; do
		command -v "$program" >/dev/null && continue
		need "$program, which make check asks" shellcheck shfmt clang-format
		break
	done
fi

if [ "${1:-}" = kernels ] && ! command -v qemu-system-x86_64 >/dev/null; then
	need "an emulated machine, to run another kernel" qemu-system-x86
fi

if [ "${1:-}" = kubernetes ]; then # a whole cluster on this machine, and images without an engine
	for program in containerd runc etcd buildah debootstrap openssl iptables; do
		command -v "$program" >/dev/null && continue
		need "$program, a part of a cluster or of its images" containerd runc etcd-server \
			containernetworking-plugins buildah debootstrap iproute2 openssl iptables
		break
	done
	command -v go >/dev/null || { echo "sbiscope setup: Go 1.24 or newer builds Kubernetes: install it" >&2 && exit 1; }
fi

install_needed
pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

lock=deploy/requirements.lock stamp=.venv/.locked
if ! cmp -s "$lock" "$stamp"; then
	say "installing the locked Python packages into .venv"
	[ -x .venv/bin/python ] || "$python" -m venv .venv
	# What compiles comes first: it is at work while the others are unpacked.
	awk '/^[a-z]/ { first = /^(cython|setuptools)==/ } first' "$lock" >.venv/first.lock
	pip --require-hashes -r .venv/first.lock
	.venv/bin/python -m deploy.compile &
	compiling=$!
	trap 'kill "$compiling" 2>/dev/null || true; wait "$compiling" || true' EXIT # a failed set-up leaves no compiler
	trap 'exit 130' INT TERM
	pip --no-compile --require-hashes -r "$lock"
	SBISCOPE_PURE=1 pip --no-deps --no-build-isolation --no-index -e .
	.venv/bin/python -m compileall -qq -j 0 .venv/lib || true # some packages bring templates that are no Python
	wait "$compiling"
	trap - EXIT INT TERM
	cp "$lock" "$stamp"
else
	.venv/bin/python -m deploy.compile
fi
