"""Where smelt remembers things between runs: the confirm ledger and which graphs compile here."""

import os
import tempfile
from pathlib import Path


def state_folder() -> Path:
    """Return `$SMELT_STATE`, else the folder that the XDG base directory specification gives."""
    if chosen := os.environ.get("SMELT_STATE"):
        return Path(chosen)
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if state.is_absolute():
        return state / "smelt"
    try:
        return Path.home() / ".local" / "state" / "smelt"
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "smelt"
