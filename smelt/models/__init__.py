"""Arrays in, scores out: the model families, in torch."""
