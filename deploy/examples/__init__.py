"""Consumers of the topics for others to start from; nothing of sbiscope imports them."""
