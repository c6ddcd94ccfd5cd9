"""Make the artifact that leaves the building."""
