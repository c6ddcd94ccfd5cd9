"""Words for people, in the reader's language.

A message is written in English where it is used, as a template: `say("{n} rows", n=3)`. The Chinese catalog beside this file
maps templates to templates; what it lacks stays English.
"""

import json
import os
from functools import cache
from pathlib import Path

_CATALOGS = Path(__file__).with_name("catalogs")


def language() -> str:
    """Return `zh` or `en`: `SMELT_LANG` decides, else the locale variables in the order of POSIX."""
    chosen = next((os.environ[key] for key in ("SMELT_LANG", "LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), "en")
    return "zh" if chosen.lower().startswith("zh") else "en"


def say(template: str, /, **values: object) -> str:
    """Fill a message template, translated where the reader's language has a translation.

    Args:
        template: English `str.format` template; also the key of the catalog.
        **values: what the template's braces hold.
    """
    return _catalog(language()).get(template, template).format(**values)


@cache
def _catalog(code: str) -> dict[str, str]:
    path = _CATALOGS / f"{code}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
