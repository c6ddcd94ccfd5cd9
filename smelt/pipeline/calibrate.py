"""`smelt plan --calibrate`: measure this machine once, and keep it as an entry that plans are made for."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from smelt.errors import EnvironmentFault, UsageFault
from smelt.language import say
from smelt.parallel.measure import measure
from smelt.plan.calibration import disturbed, entry_of
from smelt.plan.hardware import Accelerator, as_json
from smelt.run.disk import Disk, write_json
from smelt.runtime.isa import cores

_LOG = logging.getLogger("smelt")
_BUSY = 0.5
"""Processes per core that wait for it, from which on what is measured is not the machine's own."""
_CROWD = 4
"""Most processes per core that are measured: beyond, they wait for each other most of the time."""


def calibrate(ranks: Sequence[int], place: Path, *, brief: bool = False) -> Accelerator:
    """Measure this machine's CPU in about a minute, and write what was found.

    Args:
        ranks: numbers of processes to measure with; one alone is always measured. Exchanges are known where there are two or more.
        place: the file, JSON as `plan.hardware.read_entry` reads it; an earlier one is replaced in one step.
        brief: the smallest sizes, in seconds, to try the measuring itself: its numbers are worth nothing.

    Raises:
        UsageFault: more processes than this machine can hold at once.
        EnvironmentFault: the processes cannot be started or meet, other programs disturbed them, or the file cannot be written.
    """
    most = _CROWD * cores()
    if max(ranks, default=1) > most:
        raise UsageFault(
            say("{ranks} processes on {cores} cores would wait for each other most of the time", ranks=max(ranks), cores=cores()),
            step=say("Measure with at most {most}.", most=most),
        )
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > _BUSY * cores():
        _LOG.warning(
            "%s", say("this machine is busy (load {load:.1f}): measured now, it is too slow. Measure again when it is idle", load=load)
        )
    with TemporaryDirectory(prefix="smelt-calibrate-") as folder:
        measured = measure(ranks, Path(folder), brief=brief)
    entry = entry_of(measured)
    if not brief and (beyond := disturbed(measured, entry)):
        raise EnvironmentFault(
            say("other programs disturbed the measurement: a rate came out {times:.1f} times as fast as any that was seen; "
                "nothing is written",
                times=beyond),
            step=say("End them, and run the same command again."),
        )  # fmt: skip
    write_json(place, as_json(entry), Disk())
    return entry
