"""Fit a module: the loop, the loader, checkpoints."""
