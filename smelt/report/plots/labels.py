"""Place labels beside points so that they cover neither each other nor a point."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smelt.report.plots.svg import FONT, width_of

_HEIGHT = FONT * 1.1
# Directions around a point, the readable ones first: x and y are -1, 0 or 1.
_AROUND = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
_REACHES = (0.0, 9.0, 20.0, 34.0)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def hidden_by(self, other: "Box") -> float:
        """Return the area that two boxes share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def holds(self, other: "Box") -> bool:
        """Say whether the other box is inside."""
        return self.left <= other.left and self.top <= other.top and self.right >= other.right and self.bottom >= other.bottom


@dataclass(frozen=True, slots=True)
class Spot:
    """A point that wants a label, the first of `texts` that fits."""

    x: float
    y: float
    radius: float
    texts: Sequence[str]

    @property
    def box(self) -> Box:
        """The area of the point itself."""
        return Box(self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)


@dataclass(frozen=True, slots=True)
class Label:
    """A text and where it goes: `x` is its left end, `y` its baseline."""

    text: str
    x: float
    y: float
    led: bool
    """So far away that a line has to lead to it."""


def place_labels(spots: Sequence[Spot], frame: Box, taken: Sequence[Box] = ()) -> list[Label]:
    """Place one label per spot, greedily in the order given: the most important spot comes first.

    Args:
        spots: what wants a label.
        frame: the area that labels stay in.
        taken: areas that labels stay off, besides the spots.
    """
    filled = [*taken, *(spot.box for spot in spots)]
    labels = []
    for spot in spots:
        label, box = _best(spot, frame, filled)
        labels.append(label)
        filled.append(box)
    return labels


def _best(spot: Spot, frame: Box, filled: Sequence[Box]) -> tuple[Label, Box]:
    """Return the first free place; where there is none, the one that hides least."""
    least = float("inf")
    best = None
    for label, box in _choices(spot):
        hidden = sum(box.hidden_by(other) for other in filled) + (0 if frame.holds(box) else 1e6)
        if hidden < least:
            least, best = hidden, (label, box)
        if not hidden:
            break
    assert best is not None
    return best


def _choices(spot: Spot) -> Iterator[tuple[Label, Box]]:
    for text in spot.texts:
        width = width_of(text)
        for reach in _REACHES:
            for right, down in _AROUND:
                away = spot.radius + 4 + reach
                aside = away if not down else away * 0.75
                left = spot.x + right * aside - (width if right < 0 else width / 2 if not right else 0)
                middle = spot.y + down * (away + _HEIGHT / 2) * (0.8 if right else 1)
                box = Box(left, middle - _HEIGHT / 2, left + width, middle + _HEIGHT / 2)
                yield Label(text, left, middle + FONT * 0.36, reach > 9), box
