"""One module a subcommand of `sbiscope`."""
