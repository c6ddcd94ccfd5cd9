"""The run folder: the only state between stages, written whole or not at all."""
