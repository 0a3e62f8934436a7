"""Proved on a whole Kubernetes: `make test-kubernetes`."""
