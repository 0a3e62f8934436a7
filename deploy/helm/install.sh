#!/bin/sh
# Says where Helm is; builds it with Go first, where there is none (92 s on two idle cores).
set -eu
place=$HOME/.cache/sbiscope/kubernetes/bin
for found in "${HELM:-}" "$(command -v helm || true)" "$place/helm" "$HOME/go/bin/helm"; do
	if [ -x "$found" ]; then
		echo "$found"
		exit 0
	fi
done
command -v go >/dev/null || {
	echo "helm is missing and so is Go 1.24 or newer, which builds it: install either and run again" >&2
	exit 1
}
echo "building helm with Go" >&2
GOBIN=$place go install helm.sh/helm/v3/cmd/helm@v3.19.0
echo "$place/helm"
