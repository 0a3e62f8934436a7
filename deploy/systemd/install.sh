#!/bin/sh
# Lays sbiscope out as Debian does: install.sh WHEEL EXTRAS [DESTDIR]. EXTRAS: collector on a node, streams for workers, or
# both with a comma. Nothing is started or enabled; what stands in /etc/sbiscope already is left as it is.
set -eu
wheel=$1
extras=$2
root=${3:-}
here=$(cd "$(dirname "$0")" && pwd)

python3 -m venv "$root/usr/lib/sbiscope"
"$root/usr/lib/sbiscope/bin/python" -m pip install --quiet --disable-pip-version-check "${wheel}[${extras}]"

# What pip wrote names the place it was written to; it will run from another.
if [ -n "$root" ]; then
	grep -rlIF "$root/usr/lib/sbiscope" "$root/usr/lib/sbiscope/bin" | while read -r program; do
		sed -i "s|$root/usr/lib/sbiscope|/usr/lib/sbiscope|g" "$program"
	done
fi

install -d -m 0755 "$root/usr/lib/systemd/system" "$root/usr/lib/sysusers.d" "$root/usr/share/doc/sbiscope" "$root/etc/sbiscope"
install -m 0644 "$here"/*.service "$here"/*.target "$root/usr/lib/systemd/system"
install -m 0644 "$here/sysusers.conf" "$root/usr/lib/sysusers.d/sbiscope.conf"
install -m 0644 "$here/../OPERATIONS.md" "$root/usr/share/doc/sbiscope"
[ -e "$root/etc/sbiscope/environment" ] || install -m 0600 "$here/environment" "$root/etc/sbiscope/environment"
if [ ! -e "$root/etc/sbiscope/pseudonym.key" ]; then
	(umask 077 && head -c 32 /dev/urandom | base64 >"$root/etc/sbiscope/pseudonym.key")
fi
echo "installed in $root/usr/lib/sbiscope; edit $root/etc/sbiscope/environment, then: systemd-sysusers && systemctl daemon-reload"
