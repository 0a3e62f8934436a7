#!/bin/sh
# Prints deploy/manifests/sbiscope.yaml: the chart rendered for who has no Helm. HELM: the program, if not in the path.
set -eu
cd "$(dirname "$0")/../.."
cat <<'END'
# The chart deploy/helm/sbiscope as plain manifests (make manifests). Change brokers, ClickHouse and images, then:
#     kubectl create namespace sbiscope
#     kubectl -n sbiscope create secret generic sbiscope-clickhouse --from-literal=username=… --from-literal=password=…
#     head -c 32 /dev/urandom | base64 | kubectl -n sbiscope create secret generic sbiscope-pseudonym --from-file=k1=/dev/stdin
#     kubectl apply -f sbiscope.yaml
# For a new release, delete the job sbiscope-schema first: a job cannot be changed.
END
"${HELM:-helm}" template sbiscope deploy/helm/sbiscope --namespace sbiscope --kube-version 1.34.0 --skip-tests \
	--values deploy/manifests/values.yaml
