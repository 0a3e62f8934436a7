"""Facts of the 3GPP Service-Based Interface as tables, with the programs that made them."""
