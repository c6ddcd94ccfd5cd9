"""`track:` curves for other programs to draw."""

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from smelt.errors import EnvironmentFault
from smelt.language import say
from smelt.recipe.track import NoTracking, TensorBoard, TrackSection
from smelt.train.fit import Step
from smelt.train.session import Facts

Listener = Callable[[str, Step | None, Facts], None]


def listener(section: TrackSection, run: Path) -> Listener:
    """Return what hears every step and epoch of every training, by its name.

    Raises:
        EnvironmentFault: the package for it is not installed.
    """
    match section:
        case NoTracking():
            return lambda _name, _step, _facts: None
        case TensorBoard():
            return _tensorboard(run / "tensorboard")
        case _:
            assert_never(section)


def _tensorboard(folder: Path) -> Listener:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise EnvironmentFault(say("tensorboard is not installed"), step=say('Run: pip install "smelt[track]"')) from error
    writers: dict[str, SummaryWriter] = {}

    def listen(name: str, step: Step | None, facts: Facts) -> None:
        if name not in writers:
            writers[name] = SummaryWriter(folder / name)
        writer = writers[name]
        if step is not None:
            writer.add_scalar("loss", step.loss, step.step)
            writer.add_scalar("learning_rate", step.learning_rate, step.step)
        else:
            for figure in ("dev_score", "dev_loss", "tokens_per_s", "flops_per_s", "mfu"):
                if figure in facts:
                    writer.add_scalar(figure, facts[figure], int(facts["epoch"]))
            writer.flush()

    return listen
