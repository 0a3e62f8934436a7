#!/bin/sh
# Builds the images without a Docker engine: build.sh DIRECTORY IMAGE...   (agent, workers)
# A base of debootstrap, then the Dockerfile by buildah; needs root and Debian's packages buildah and debootstrap. All
# it makes is below DIRECTORY: <image>.tar is an OCI archive (`ctr image import`, `skopeo copy oci-archive:`).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
place=$(cd "$1" && pwd)
shift

b() { buildah --root "$place/storage" --runroot "$place/run" "$@"; }

base=localhost/sbiscope-base:12
if ! b inspect --type image "$base" >/dev/null 2>&1; then
	[ -f "$place/base.tar" ] || {
		debootstrap --variant=minbase bookworm "$place/base" >"$place/debootstrap.log"
		tar -C "$place/base" -cf "$place/base.tar.new" .
		mv "$place/base.tar.new" "$place/base.tar"
		rm -rf "$place/base"
	}
	container=$(b from scratch)
	b add -q "$container" "$place/base.tar" / >/dev/null
	b commit -q --rm "$container" "$base" >/dev/null
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml")
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
for image in "$@"; do
	b bud -q --layers --isolation chroot --target "$image" -f "$root/deploy/images/Dockerfile" \
		--ignorefile "$root/deploy/images/ignored" \
		--build-arg BASE="$base" --build-arg VERSION="$version" --build-arg REVISION="$revision" \
		--build-arg CREATED="$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
		${PIP_CERT:+--build-arg PIP_CERT=/host-certificates.crt --volume "$PIP_CERT:/host-certificates.crt:ro"} \
		-t "localhost/sbiscope-$image:$version" "$root" >/dev/null
	rm -f "$place/$image.tar"
	b push -q "localhost/sbiscope-$image:$version" "oci-archive:$place/$image.tar:docker.io/library/sbiscope-$image:$version"
	echo "$place/$image.tar: $(($(stat -c %s "$place/$image.tar") / 1000000)) MB packed"
done
