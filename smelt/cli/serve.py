"""`smelt serve`: bundles answer over HTTP."""

import argparse
import ipaddress
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from smelt.errors import UsageFault
from smelt.language import say
from smelt.serve.crew import Crew, inherited, shared_folder, tell_ready
from smelt.serve.guard import Rules
from smelt.serve.house import House
from smelt.serve.keys import read_keys
from smelt.serve.limits import Limits
from smelt.serve.listener import Place, listen
from smelt.serve.orders import Orders
from smelt.serve.run import serve
from smelt.serve.version import Watching


def main(options: argparse.Namespace) -> int:
    """Open the bundles, listen, answer until told to end."""
    rules = _rules(options)
    limits = Limits(
        body_bytes=options.max_bytes, inputs=options.max_inputs, wait_seconds=options.max_wait, deadline_seconds=options.timeout
    )  # fmt: skip
    place = Place(host=options.host, port=options.port, drain_seconds=max(20.0, options.timeout))
    bundles = named(options.bundles)
    shared = shared_folder()
    house = House(
        limits, Path(options.bundles_in) if options.bundles_in else None, rolls_back_on_alarm=options.rollback_on_alarm,
        orders=Orders(shared) if shared else None,
    )  # fmt: skip
    share, references = _share(options), _references(options.reference, bundles)
    logging.getLogger("smelt.serve").setLevel(logging.INFO if options.log_requests else logging.WARNING)

    def tell(address: str) -> None:
        print(say("{names} at {address} (Ctrl+C ends)", names=", ".join(house.models), address=address), flush=True)

    member = inherited()
    if options.workers > 1 and member is None:
        return _lead(options, place, bundles)
    with member or listen(place) as listener:
        for name, folder in bundles.items():
            house.open(name, folder, threads=options.threads, watching=Watching(reference=references.get(name), share=share))
        serve(house, rules, place, listener, tell if member is None else lambda _address: tell_ready())
    if house.cancelled:
        print(say("ended; {n} requests that were taken on were not answered in time", n=house.cancelled), file=sys.stderr)
    elif member is None:
        print(say("ended; every request that was taken on was answered"), file=sys.stderr)
    return 0


def _rules(options: argparse.Namespace) -> Rules:
    """Return whom to answer.

    Raises:
        UsageFault: anybody could ask, a file holds no key, or there is no folder to exchange bundles from.
    """
    rules = Rules(
        keys=read_keys(Path(options.keys)) if options.keys else (), hosts=tuple(options.allow_host), origins=tuple(options.allow_origin)
    )
    if not rules.keys and not _is_loopback(options.host):
        raise UsageFault(
            say("--host {host} is reachable from other machines, and there are no keys", host=options.host),
            step=say("Make a key: smelt key NAME --file keys.json, and add --keys keys.json."),
        )
    if options.keys and not rules.keys:
        raise UsageFault(
            say("{path}: there is no key in it", path=options.keys), step=say("Make one: smelt key NAME --file {path}", path=options.keys)
        )
    if options.bundles_in and not Path(options.bundles_in).is_dir():
        raise UsageFault(
            say("--bundles {path}: no such folder", path=options.bundles_in), step=say("Name the folder that bundles will be put into.")
        )
    return rules


def _lead(options: argparse.Namespace, place: Place, bundles: Mapping[str, Path]) -> int:
    """Start several processes that answer at one address."""
    with listen(place) as listener:
        address = f"http://{place.host}:{listener.getsockname()[1]}"
        names = ", ".join(bundles)
        crew = Crew(options.arguments, options.workers, listener)
        crew.work(lambda: print(say("{names} at {address} (Ctrl+C ends)", names=names, address=address), flush=True))
    return 0


def named(bundles: list[str]) -> dict[str, Path]:
    """Return bundle folders by name: `NAME=FOLDER`, or a folder, called after its run.

    Raises:
        UsageFault: two have the same name.
    """
    found: dict[str, Path] = {}
    for said in bundles:
        name, equals, path = said.partition("=")
        folder = Path(path if equals else said)
        if not equals:
            whole = folder.resolve()
            name = whole.parents[1].name if whole.parts[-2:] == ("export", "bundle") else whole.name
        if name in found or not name:
            raise UsageFault(
                say("two bundles are named '{name}'", name=name), step=say("Name them: smelt serve first=FOLDER second=FOLDER")
            )
        found[name] = folder
    return found


def _references(said: list[str], bundles: Mapping[str, Path]) -> dict[str, Path]:
    """Return with which bundle each one is compared.

    Raises:
        UsageFault: it is not clear which one is meant.
    """
    found: dict[str, Path] = {}
    for one in said:
        name, equals, path = one.partition("=")
        if not equals and len(bundles) > 1:
            raise UsageFault(say("--reference {said}: of which bundle?", said=one), step=say("Write NAME=FOLDER."))
        name = name if equals else next(iter(bundles))
        if name not in bundles:
            raise UsageFault(say("--reference {said}: no bundle is named {name}", said=one, name=name))
        found[name] = Path(path if equals else one)
    return found


def _share(options: argparse.Namespace) -> float:
    """Return the share of texts that the reference answers too.

    Raises:
        UsageFault: it is no share, or there is no reference.
    """
    said = options.shadow or ("1%" if options.reference else "0")
    try:
        share = float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageFault(say("--shadow {said}: want a share, such as 1% or 0.01", said=said))
    if options.shadow and not options.reference:
        raise UsageFault(say("--shadow needs the bundle to compare with"), step=say("Add --reference runs/<name>/export/reference."))
    return share


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
