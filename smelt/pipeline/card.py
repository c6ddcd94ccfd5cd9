"""Facts of a run for the model card."""
