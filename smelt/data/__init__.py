"""Rows in, examples out: sources, splits, batches."""
