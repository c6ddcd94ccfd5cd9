"""The recipe: one YAML file that says everything a run needs. One file per section, in the order of the sections."""
