"""API keys: random secrets of which only hashes are kept, each with a name and what it may do."""

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from smelt.errors import UsageFault
from smelt.language import say
from smelt.run.disk import Disk, write_json

Scope = Literal["predict", "metrics", "admin"]
_PREFIX = "smelt-"


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key."""

    name: str
    sha256: str
    scopes: tuple[Scope, ...]


def make_key(path: Path, name: str, scopes: tuple[Scope, ...]) -> str:
    """Add a key to a file of keys; return the secret, which is kept nowhere.

    Raises:
        UsageFault: the file is no file of keys, or has a key of that name.
    """
    keys = read_keys(path) if path.exists() else ()
    if any(key.name == name for key in keys):
        raise UsageFault(say("{path}: there is a key named {name}", path=path, name=name), step=say("Take another name."))
    secret = _PREFIX + secrets.token_urlsafe(32)
    write_json(path, [asdict(key) for key in (*keys, Key(name, _hash(secret), scopes))], Disk())
    path.chmod(0o600)
    return secret


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read a file of keys.

    Raises:
        UsageFault: it is missing or something else.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(kept, list):
            raise ValueError(say("want a list of keys"))
        found = [Key(str(one["name"]), str(one["sha256"]), tuple(one["scopes"])) for one in kept]
        if any(scope not in get_args(Scope) for key in found for scope in key.scopes):
            raise ValueError(say("unknown scope"))
    except PermissionError as error:
        raise UsageFault(
            say("{path}: may not be read by the user that serves", path=path),
            step=say("Let the server run as the file's owner, or let its user read the file."),
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageFault(
            say("{path}: no file of keys: {reason}", path=path, reason=error), step=say("Make one: smelt key NAME --file {path}", path=path)
        ) from error
    return tuple(found)


def find_key(keys: tuple[Key, ...], secret: str) -> Key | None:
    """Return the key of a secret. Takes as long whether there is one or not."""
    own, found = _hash(secret), None
    for key in keys:
        if hmac.compare_digest(key.sha256, own):
            found = key
    return found


def _hash(secret: str) -> str:
    """The secrets are random and long, so a plain hash cannot be turned round by trying."""
    return hashlib.sha256(secret.encode()).hexdigest()
