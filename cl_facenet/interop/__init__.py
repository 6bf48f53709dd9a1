"""Weights of others, and our own in files for others; nothing pickled is read."""
