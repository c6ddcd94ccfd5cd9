"""Certify that a candidate is as good as the reference. Numbers and prediction files in, a verdict out; never a model."""
