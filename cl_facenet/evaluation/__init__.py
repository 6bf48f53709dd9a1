"""Measures of what was learnt, on photos that were not trained on."""
