"""The capture that the demo loads: a real Open5GS core, recorded by this project (test subscribers only)."""
