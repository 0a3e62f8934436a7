"""The probes on kernels that this machine does not run: Debian's stock one, emulated."""
