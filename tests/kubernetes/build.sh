#!/bin/sh
# Builds a real Kubernetes, helm and kwok with the Go toolchain: build.sh DIRECTORY (bin/ is made in it). Eight minutes
# on two cores, nothing where all is there already.
set -eu
version=v1.34.1
libraries=v0.${version#v1.}
mkdir -p "$1/bin"
cd "$1"
programs="kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl"

# k8s.io/kubernetes points its own libraries at ./staging: each gets its published version instead.
resolve() {
	rm -f go.mod go.sum
	go mod init kubernetestools 2>/dev/null
	described=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)",*/\1/p')
	# shellcheck disable=SC2046
	go mod edit -require="k8s.io/kubernetes@$version" \
		$(sed -nE "s#^[[:space:]]*(k8s\.io/[a-z0-9-]+) => \./staging.*#-replace=\1=\1@$libraries#p" "$described" | sort -u)
	printf 'package tools\n\nimport (\n\t_ "k8s.io/kubernetes/cmd/kube-apiserver/app"\n\t_ "k8s.io/kubernetes/cmd/kubelet/app"\n)\n' >tools.go
	go mod tidy 2>/dev/null
}

said=k8s.io/component-base/version
flags="-s -w -X $said.gitVersion=$version -X $said.gitMajor=1 -X $said.gitMinor=34"
for program in $programs; do
	[ ! -x "bin/$program" ] || continue
	[ -f tools.go ] || resolve
	echo "building $program"
	go build -mod=mod -ldflags "$flags" -o "bin/$program" "k8s.io/kubernetes/cmd/$program"
done
[ -x bin/helm ] || { echo "building helm" && GOBIN=$PWD/bin go install helm.sh/helm/v3/cmd/helm@v3.19.0; }
[ -x bin/kwok ] || { echo "building kwok" && GOBIN=$PWD/bin go install sigs.k8s.io/kwok/cmd/kwok@v0.7.0; }
