"""Tell a person: one self-contained page from a run folder."""
