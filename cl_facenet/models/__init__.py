"""The networks: layers, Inception blocks, and trunk -> embedding -> logits."""
