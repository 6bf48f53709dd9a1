"""Photos in: sources, prepared records, splits, augmentation and batches."""
