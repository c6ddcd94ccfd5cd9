"""Start processes, hear them out, start them again."""
