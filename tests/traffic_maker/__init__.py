"""Plays the exchanges of a capture, or a mix, between real programs at any rate, and knows what it played."""
