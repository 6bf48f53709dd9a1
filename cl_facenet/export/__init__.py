"""Trained embedders for programs that have no Flax, or no JAX."""
