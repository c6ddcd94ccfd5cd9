"""The confirm ledger: which answers were judged on which confirm set, across runs. It reports earlier openings and never blocks.

One small file per opening, `openings/<data sha256>/<predictions sha256>.json` in the state folder, so that runs side by side
cannot lose each other's entries. The same answers judged again are the same file: that is no further opening.
"""

import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from smelt.errors import EnvironmentFault
from smelt.language import say
from smelt.run.disk import Disk, write_json

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One look at a confirm set."""

    data_sha256: str
    """Of the confirm set, as the verdict has it."""
    predictions_sha256: str
    """Of the candidate's answers."""
    run: str
    time: str
    """ISO 8601, with the offset to UTC."""


def openings(state: Path, data_sha256: str) -> list[Opening]:
    """Return what was recorded for a confirm set, oldest first. What cannot be read is logged and left out."""
    found: list[Opening] = []
    try:
        paths = sorted((state / "openings" / data_sha256).glob("[!.]*.json"))
    except OSError as error:
        _warn_unread(state, error)
        return []
    for path in paths:
        try:
            found.append(_parse(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            _warn_unread(path, error)
    return sorted(found, key=lambda opening: (opening.time, opening.predictions_sha256))


def record(state: Path, opening: Opening, disk: Disk) -> bool:
    """Write an opening down. False if the same answers were judged before, or if the state folder cannot be written (logged)."""
    path = state / "openings" / opening.data_sha256 / f"{opening.predictions_sha256}.json"
    try:
        if path.exists():
            return False
        write_json(path, asdict(opening), disk)
    except (EnvironmentFault, OSError) as fault:
        _LOG.warning(say("The confirm ledger was not written: {reason}", reason=getattr(fault, "message", fault)))
        return False
    return True


def _parse(text: str) -> Opening:
    opening = Opening(**json.loads(text))
    if datetime.fromisoformat(opening.time).tzinfo is None:
        raise ValueError(f"time {opening.time} has no offset")
    return opening


def _warn_unread(path: Path, error: Exception) -> None:
    _LOG.warning(say("The confirm ledger's {path} was not read: {reason}", path=path, reason=error))
