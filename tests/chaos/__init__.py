"""Chaos: the real stages under continuous load while processes are killed, and the accounts squared afterwards."""
