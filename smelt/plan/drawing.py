"""Pictures of the plan's page, as SVG. Numbers and words in, markup out; a picture is 900 units wide."""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smelt.markup import Html, join, tag
from smelt.plan.timeline import Piece, Timeline, outer, windows

WIDTH = 900.0
FONT = 12.5
"""Size of text, as page.css has it."""
_LEFT = 84.0
_GAP = 34.0
_COLORS = {"forward": ("blue", "navy"), "backward": ("brick", "rust"), "weights": ("teal", "teal")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alt:
    """What a reader hears who does not see a picture. `key` tells pictures of a page apart."""

    key: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: its length, a CSS class for its color, and what may be written in it, the longest first."""

    length: float
    kind: str
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a scatter with its name. `kinds`: its mark and what is drawn around it."""

    x: float
    y: float
    kinds: Sequence[str]
    name: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps values between `low` and `high` to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        if self.log:
            return self.start + math.log(value / self.low) / math.log(self.high / self.low) * (self.end - self.start)
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 8) -> list[float]:
        """Round values between the ends."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1) if self.log else []
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [tick for power in powers for step in steps if self.low <= (tick := float(f"{step}e{power}")) <= self.high]
            if 3 <= len(found) <= most + 2:
                return found
            if steps == (1,) and len(found) > most:
                return found[:: math.ceil(len(found) / most)]
        power = 10.0 ** math.floor(math.log10((self.high - self.low) / most))
        step = next(step * power for step in (1, 2, 5, 10) if step * power * most >= (self.high - self.low) * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def width_of(text: str) -> float:
    """Estimate how wide text is drawn: full-width letters take an em, others about 0.58 of one."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return FONT * (wide + 0.58 * (len(text) - wide))


def stacks(rows: Sequence[tuple[str, Sequence[Part], str]], levels: Sequence[tuple[float, str, str]], axis: str, alt: Alt) -> Html:
    """Draw one bar of parts per row of name, parts and what is written behind it.

    Args:
        rows: at least one.
        levels: lines across: value, CSS class, and what is written on top; the first stands highest.
        axis: title of the lengths.
        alt: the picture in words.
    """
    top, row = 18.0 * len(levels) + 10.0, 38.0
    bottom = top + row * len(rows)
    left = max(_LEFT, *(width_of(name) + 12 for name, _, _ in rows))
    behind = 1.12 * max(width_of(text) for _, _, text in rows) + 12
    totals = [sum(part.length for part in parts) for _, parts, _ in rows]
    most = max(*totals, *(1.03 * value for value, _, _ in levels)) or 1.0
    x = _Scale(0.0, most * (WIDTH - left) / (WIDTH - left - behind), left, WIDTH)
    parts: list[Html] = [_ruler(x, bottom, top, axis)]
    for place, ((name, bar, text), total) in enumerate(zip(rows, totals, strict=True)):
        at = top + row * place
        parts += [_words((left - 10, at + 24), name, "tick", "end"), _bar(bar, x, at + 6, 28.0)]
        parts.append(_words((x(total) + 7, at + 24), text, "label"))
    for place, (value, kind, text) in enumerate(levels):
        height = 14.0 + 18.0 * place
        side = "end" if x(value) > 1.12 * width_of(text) else "start"
        parts += [_line((x(value), height + 4), (x(value), bottom), kind), _words((x(value), height), text, "end", side)]
    return _picture(bottom + 40, alt, *parts)


def whole(parts: Sequence[Part], alt: Alt) -> Html:
    """Draw one bar as wide as the picture."""
    x = _Scale(0.0, sum(part.length for part in parts) or 1.0, 0.0, WIDTH)
    return _picture(46.0, alt, _bar(parts, x, 2.0, 42.0))


def change(share: float, most: float) -> Html:
    """Draw a change of time as a bar to the left (less) or to the right (more) of a line. `most`: the largest change drawn. Fractions."""
    middle, reach = 80.0, 78.0
    length = reach * min(1.0, abs(share - 1.0) / most) if most else 0.0
    bar = _rect((middle - length if share < 1.0 else middle, 2.0), length, 12.0, "yes" if share < 1.0 else "no")
    return tag("svg", bar, _line((middle, 0.0), (middle, 16.0), "axis"), viewBox="0 0 160 16", aria_hidden="true")


def scatter(dots: Sequence[Dot], titles: tuple[str, str], deadline: tuple[float, str] | None, alt: Alt) -> Html:
    """Draw named dots over logarithmic time.

    Args:
        dots: at least one, with positive places.
        titles: of the x axis and the y axis.
        deadline: a line across, beyond which it is too late, and its words.
        alt: the picture in words.
    """
    top, bottom, right = 52.0, 312.0, WIDTH - 12.0
    times = [dot.x for dot in dots] + ([deadline[0]] if deadline else [])
    x = _Scale(min(times) / 1.25, max(times) * 1.25, _LEFT, right, log=True)
    y = _upright([dot.y for dot in dots], bottom, top)
    parts: list[Html] = []
    for tick in y.ticks(5):
        parts += [_line((_LEFT, y(tick)), (right, y(tick)), "grid"), _words((_LEFT - 8, y(tick) + 4), number(tick), "tick", "end")]
    for tick in x.ticks():
        parts += [_line((x(tick), bottom), (x(tick), bottom + 5), "axis"), _words((x(tick), bottom + 19), number(tick), "tick", "middle")]
    parts += [_line((_LEFT, bottom), (right, bottom), "axis"), _words((0.0, 14.0), titles[1], "title")]
    parts.append(_words((right, bottom + 39), titles[0], "title", "end"))
    if deadline:
        parts.append(_late(x(deadline[0]), deadline[1], (top, bottom, right)))
    for dot in dots:
        parts += [_mark(kind, x(dot.x), y(dot.y)) for kind in dot.kinds]
    parts += [_words((x(dot.x), y(dot.y) - (18 if len(dot.kinds) > 1 else 12)), dot.name, "label", "middle") for dot in dots]
    return _picture(bottom + 48, alt, *parts)


def gantt(timeline: Timeline, ends: int, names: Sequence[str], axis: str, alt: Alt) -> Html:
    """Draw who works on which micro-batch when. Times between the first and the last micro-batches are cut out.

    Args:
        timeline: what was played.
        ends: how many of the first and the last micro-batches are told apart.
        names: of the stages.
        axis: title of the time.
        alt: the picture in words.
    """
    height = max(4.0, min(30.0, 440.0 / timeline.stages))
    bottom = 6.0 + height * timeline.stages
    left = max(width_of(name) for name in names) + 12
    seen = windows(timeline, ends)
    room = WIDTH - left - 16 - _GAP * (len(seen) - 1)
    rate = room / sum(end - start for start, end in seen)
    parts: list[Html] = []
    at = left
    for start, end in seen:
        x = _Scale(start, end, at, at + (end - start) * rate)
        parts += [_window(timeline, ends, x, height), _ruler(x, bottom, None, "")]
        at = x.end + _GAP
    parts += [_words((x_end, 10 + (bottom - 6) / 2), "⋯", "title", "middle") for x_end in _breaks(seen, left, rate)]
    every = math.ceil(15.0 / height)
    parts += [
        _words((left - 8, 6 + height * (stage + 0.5) + 4), name, "tick", "end") for stage, name in enumerate(names) if stage % every == 0
    ]
    parts.append(_words((WIDTH, bottom + 39), axis, "title", "end"))
    return _picture(bottom + 48, alt, *parts)


def number(value: float) -> str:
    """Write a tick."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _breaks(seen: Sequence[tuple[float, float]], left: float, rate: float) -> Iterable[float]:
    at = left
    for start, end in seen[:-1]:
        at += (end - start) * rate + _GAP
        yield at - _GAP / 2


def _window(timeline: Timeline, ends: int, x: _Scale, height: float) -> Html:
    """All rows between two times: one path per color, so that thousands of pieces stay small."""
    paths: dict[str, list[str]] = {}
    texts: list[Html] = []
    rest: dict[int, list[tuple[float, float]]] = {stage: [] for stage in range(timeline.stages)}
    rows = [_rect((x.start, 6 + height * stage + 1), x.end - x.start, height - 2, "idle") for stage in rest]
    for piece in timeline.pieces:
        if piece.end <= x.low or piece.start >= x.high:
            continue
        if not outer(piece, timeline, ends):
            rest[piece.stage].append((piece.start, piece.end))
            continue
        at, length = x(piece.start), x(piece.end) - x(piece.start)
        paths.setdefault(_COLORS[piece.kind][piece.part % 2], []).append(_box(at, 6 + height * piece.stage + 1, length, height - 2))
        texts += _numbered(piece, at, length, height)
    for stage, spans in rest.items():
        for start, end in _merged(spans):
            begin, until = x(max(start, x.low)), x(min(end, x.high))
            paths.setdefault("mist", []).append(_box(begin, 6 + height * stage + 1, until - begin, height - 2))
    return join([*rows, *(tag("path", d="".join(boxes), class_=f"{kind} cut") for kind, boxes in sorted(paths.items())), *texts])


def _numbered(piece: Piece, at: float, length: float, height: float) -> list[Html]:
    text = str(piece.micro)
    if height < 12 or length < 7.0 * len(text) + 0.5:
        return []
    return [_words((at + length / 2, 6 + height * (piece.stage + 0.5) + 3.4), text, "piece", "middle")]


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join what follows without a break."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= 1e-9 * max(1.0, end):
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{max(width, 0.3):.1f}v{height:.1f}h{-max(width, 0.3):.1f}z"


def _upright(values: Sequence[float], bottom: float, top: float) -> _Scale:
    """Logarithmic where the values are far apart."""
    low, high = min(values), max(values)
    if high > 6.0 * low:
        return _Scale(low / 1.3, high * 1.3, bottom, top, log=True)
    room = 0.15 * (high - low) or 0.2 * high
    return _Scale(low - room, high + room, bottom, top)


def _late(at: float, text: str, edges: tuple[float, float, float]) -> Html:
    top, bottom, right = edges
    beside = (at + 7, "start") if at + 1.12 * width_of(text) < right else (at - 7, "end")
    return join(
        [
            _rect((at, top - 8), right - at, bottom - top + 8, "late"),
            _line((at, top - 20), (at, bottom), "end"),
            _words((beside[0], top - 13), text, "end", beside[1]),
        ]
    )


def _mark(kind: str, x: float, y: float) -> Html:
    """Marks differ in shape, not in color alone."""
    if kind == "square":
        return _rect((x - 12.5, y - 12.5), 25.0, 25.0, kind)
    return tag("circle", cx=x, cy=y, r={"ring": 9.0, "hollow": 5.0}.get(kind, 5.5), class_=kind)


def _ruler(x: _Scale, bottom: float, top: float | None, title: str) -> Html:
    """The axis below; lines through the picture if `top` is given."""
    parts = [_line((x.start, bottom), (x.end, bottom), "axis")]
    for tick in x.ticks(max(1, int((x.end - x.start) / 75))):
        if top is not None:
            parts.append(_line((x(tick), top), (x(tick), bottom), "grid"))
        parts += [_line((x(tick), bottom), (x(tick), bottom + 5), "axis"), _words((x(tick), bottom + 19), f"{tick:g}", "tick", "middle")]
    return join([*parts, _words((x.end, bottom + 36), title, "title", "end") if title else None])


def _bar(parts: Sequence[Part], x: _Scale, top: float, height: float) -> Html:
    drawn: list[Html] = []
    at = 0.0
    for part in parts:
        left, right = x(at), x(at + part.length)
        at += part.length
        drawn.append(_rect((left, top), right - left, height, f"{part.kind} cut", tag("title", part.texts[0])))
        text = next((text for text in part.texts if width_of(text) * 1.06 + 8 <= right - left), None)
        if text:
            drawn.append(_words(((left + right) / 2, top + height / 2 + 4.5), text, "inside", "middle"))
    return join(drawn)


def _picture(height: float, alt: Alt, *parts: object) -> Html:
    names = tag("title", alt.title, id=f"{alt.key}-title"), tag("desc", alt.description, id=f"{alt.key}-desc")
    box = f"0 0 {WIDTH:.0f} {height:.0f}"
    return tag("svg", *names, *parts, viewBox=box, role="img", aria_labelledby=f"{alt.key}-title", aria_describedby=f"{alt.key}-desc")


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Html:
    return tag("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=kind)


def _rect(corner: tuple[float, float], width: float, height: float, kind: str, *children: object) -> Html:
    return tag("rect", *children, x=corner[0], y=corner[1], width=max(width, 0.0), height=max(height, 0.0), class_=kind)


def _words(place: tuple[float, float], text: str, kind: str, anchor: str = "start") -> Html:
    return tag("text", text, x=place[0], y=place[1], class_=kind, text_anchor=None if anchor == "start" else anchor)
