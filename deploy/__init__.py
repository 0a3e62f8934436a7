"""The command line, the local stack and everything that joins both sides."""
