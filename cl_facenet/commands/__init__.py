"""What `cl-facenet` can be told to do: a command a file.

Each has `add`, which describes it to the parser, and `run`. They import what they need
where they need it: --help shall not wait for JAX.
"""
