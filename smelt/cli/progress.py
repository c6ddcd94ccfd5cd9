"""How a run goes, on a terminal as a moving line, elsewhere as plain lines."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from smelt.language import say
from smelt.pipeline.context import Watcher
from smelt.train.fit import Step
from smelt.train.session import Facts

_EVERY_SECONDS = 0.5
_EVERY_SECONDS_PLAIN = 30.0


class Progress:
    """Draws what the watcher hears. Epochs stay as lines, steps overwrite each other."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(Text(""), console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        self._drawn = time.monotonic()
        self._started: dict[str, tuple[float, int]] = {}
        self._tokens: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Take the terminal's last line."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give it back."""
        if self._live:
            self._live.stop()

    def watcher(self) -> Watcher:
        """Return the ears of this progress."""
        return Watcher(stage=self._on_stage, step=self._on_step)

    def _on_stage(self, stage: str, note: str) -> None:
        self._console.print(Text.assemble((stage, "bold"), f" {note}" if note else ""), soft_wrap=True)

    def _on_step(self, name: str, step: Step | None, facts: Facts) -> None:
        if step is None:
            self._console.print(_epoch(name, facts), soft_wrap=True)
            if "report" in facts:
                self._console.print(facts["report"], markup=False, soft_wrap=True)
            return
        now = time.monotonic()
        started, first = self._started.setdefault(name, (now, step.step))
        self._tokens[name] = self._tokens.get(name, 0) + step.tokens
        if now - self._drawn > (_EVERY_SECONDS if self._live else _EVERY_SECONDS_PLAIN) and step.step > first:
            self._drawn = now
            pace = (now - started) / (step.step - first)
            line = say(
                "  {name}: step {step} of {steps}, loss {loss:.3f}, {rate:.0f} tokens/s, {left:.0f} s left",
                name=name, step=step.step, steps=step.steps, loss=step.loss, rate=self._tokens[name] / (now - started),
                left=pace * (step.steps - step.step),
            )  # fmt: skip
            if self._live:
                self._live.update(Text(line), refresh=True)
            else:
                self._console.print(line, soft_wrap=True)


def _epoch(name: str, facts: Facts) -> str:
    """Say what came of an epoch, as an accuracy or as a perplexity, and how fast it was."""
    head = say("  {name}: epoch {epoch:.0f}, train loss {loss:.3f}, ", name=name, epoch=facts["epoch"] + 1, loss=facts["train_loss"])
    if "dev_perplexity" in facts:
        dev = say("dev {loss:.4f} nats per token, perplexity {perplexity:.2f}", loss=facts["dev_loss"], perplexity=facts["dev_perplexity"])
    else:
        dev = say(
            "dev {score:.4f} (95 %: {low:.4f} to {high:.4f})", score=facts["dev_score"], low=facts["dev_low"], high=facts["dev_high"]
        )  # fmt: skip
    pace = say(", {seconds:.0f} s, {rate:,.0f} tokens/s", seconds=facts["seconds"], rate=facts["tokens_per_s"])
    return head + dev + pace + (say(", MFU {mfu:.1%}", mfu=facts["mfu"]) if facts["mfu"] else "")
