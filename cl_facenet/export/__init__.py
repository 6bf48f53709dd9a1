"""Trained embedders for programs that have no JAX."""
