"""What the server takes, and what it refuses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on one request, and on all of them together. They are enforced while a request is read."""

    body_bytes: int = 2_000_000
    inputs: int = 1_024
    """Texts of a request."""
    characters: int = 1_000_000
    """Of one text."""
    depth: int = 16
    """Of nested JSON."""
    body_seconds: float = 10.0
    """A client has to send its request."""
    wait_seconds: float = 2.0
    """A request may have to wait before work on it starts: what would wait longer is refused at once."""
    deadline_seconds: float = 30.0
    """After so long a request is given up, whatever its client asks for."""
    batch_seconds: float = 0.05
    """A batch may take, where more than one text is in it."""
    batch_texts: int = 64
    """Texts of a batch."""
    padding: float = 0.1
    """Share of a batch that may be padding, where the runtime pads. Fraction."""
    lag_seconds: float = 0.25
    """The server may be behind with reading and answering requests: what comes then is refused at once."""
