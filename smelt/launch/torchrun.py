"""What torchrun, Slurm or Kubernetes tell a process that they started."""

import os


def is_joined() -> bool:
    """Whether someone started this process as one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def processes() -> int:
    """Return how many processes were started, 1 where nobody says."""
    return int(os.environ["WORLD_SIZE"]) if is_joined() else 1


def leads() -> bool:
    """Whether this process does the whole job; the others wait for their share of the training."""
    return not is_joined() or os.environ["RANK"] == "0"
