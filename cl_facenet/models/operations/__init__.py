"""The operations that the networks are made of, on NHWC arrays: pure functions.

Each comes with its plain definition, `plain_...`, which TPUs and GPUs run as it is. On
a CPU some have a formulation, or a gradient, of their own that is several times faster
than XLA's; tests hold each to its definition.
"""
