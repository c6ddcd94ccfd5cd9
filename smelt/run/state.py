"""Where smelt remembers things between runs: the confirm ledger and which graphs compile here."""

import os
from pathlib import Path


def state_folder() -> Path:
    """Return `$SMELT_STATE`, else `smelt` in the XDG state folder. It need not exist."""
    if os.environ.get("SMELT_STATE"):
        return Path(os.environ["SMELT_STATE"])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "smelt"
