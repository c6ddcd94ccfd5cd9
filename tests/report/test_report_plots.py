import re
from itertools import combinations

import pytest

from smelt.report.plots.axes import Scale, linear, logarithmic
from smelt.report.plots.bars import bars
from smelt.report.plots.heat import heat
from smelt.report.plots.intervals import Drop, intervals
from smelt.report.plots.labels import Box, Spot, place_labels
from smelt.report.plots.lines import Curve, curves, thin
from smelt.report.plots.reliability import Bin, reliability
from smelt.report.plots.scatter import Dot, Level, scatter
from smelt.report.plots.svg import FONT, shorten, width_of


def test_a_linear_scale_maps_its_ends_and_holds_what_is_beyond() -> None:
    scale = Scale(2.0, 4.0, 100.0, 50.0)
    assert [scale(value) for value in (1.0, 2.0, 3.5, 4.0, 9.0)] == [100.0, 100.0, 62.5, 50.0, 50.0]


def test_a_logarithmic_scale_puts_the_geometric_mean_in_the_middle() -> None:
    assert Scale(0.1, 1000.0, 0.0, 8.0, log=True)(10.0) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (Scale(87.3, 94.1, 0, 1), [88, 90, 92, 94]),
        (Scale(-0.3, 1.2, 0, 1), [0, 0.5, 1]),
        (Scale(0.9, 42, 0, 1, log=True), [1, 2, 5, 10, 20]),
        (Scale(0.09, 50, 0, 1, log=True), [0.1, 0.3, 1, 3, 10, 30]),
        (Scale(31, 39, 0, 1, log=True), [32, 34, 36, 38]),
    ],
)
def test_ticks_are_round(scale: Scale, ticks: list[float]) -> None:
    assert scale.ticks() == ticks


@pytest.mark.parametrize("fit", [linear, logarithmic])
def test_a_single_value_has_a_scale(fit: type) -> None:
    scale = fit([7.0], 0.0, 10.0)
    assert 0 < scale(7.0) < 10


def test_labels_cover_neither_each_other_nor_points_nor_what_is_taken() -> None:
    spots = [Spot(100 + 3 * place, 90 + place % 3, 4, ["a name", str(place)]) for place in range(9)]
    taken, frame = [Box(60, 60, 90, 70)], Box(0, 0, 300, 200)
    labels = place_labels(spots, frame, taken)
    boxes = [Box(label.x, label.y - FONT * 0.9, label.x + width_of(label.text), label.y + FONT * 0.19) for label in labels]
    assert all(one.hidden_by(other) < 0.5 for one, other in combinations(boxes, 2))
    assert all(box.hidden_by(other) < 0.5 for box in boxes for other in [*taken, *(spot.box for spot in spots)])
    assert all(frame.holds(box) for box in boxes)


def test_the_first_text_is_taken_where_there_is_room() -> None:
    (label,) = place_labels([Spot(50, 50, 4, ["a name", "1"])], Box(0, 0, 300, 200))
    assert label.text == "a name"


def test_a_label_without_any_room_is_still_placed() -> None:
    (label,) = place_labels([Spot(5, 5, 4, ["a name", "1"])], Box(0, 0, 10, 10))
    assert label.text in ("a name", "1")


def test_full_width_letters_count_as_wide() -> None:
    assert width_of("退款") == pytest.approx(2 * FONT)


def test_text_is_cut_to_its_room() -> None:
    cut = shorten("a long name of a class", 80)
    assert cut.endswith("…")
    assert width_of(cut) <= 80
    assert shorten("short", 80) == "short"


def test_thinning_keeps_the_mean() -> None:
    points = [(float(step), float(step % 7)) for step in range(1000)]
    found = thin(points, 100)
    assert len(found) == 100
    assert sum(y for _, y in found) / 100 == pytest.approx(sum(y for _, y in points) / 1000)


def test_a_point_of_a_curve_stands_over_its_tick() -> None:
    drawn = curves([Curve(name="a", kind="reference", points=[(1.0, 3.0), (2.0, 5.0), (4.0, 6.0)])], ("epoch", "score"), "alt")
    tick = re.search(r'<text x="([\d.]+)"[^>]*>2</text>', drawn)
    places = re.findall(r'<circle cx="([\d.]+)"', drawn)
    assert tick is not None
    assert tick[1] == places[1]


def test_an_interval_that_keeps_the_margin_ends_left_of_it() -> None:
    drawn = intervals([Drop(name="x", certified=True, lower=-0.4, drop=0.1, upper=0.9)], 1.0, ("zero", "margin", "points"), "alt")
    bar = re.search(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="10" class="bar passed"', drawn)
    margin = re.search(r'<line x1="([\d.]+)"[^>]*class="margin"', drawn)
    assert bar is not None
    assert margin is not None
    assert float(bar[1]) + float(bar[2]) < float(margin[1])


def test_a_shade_belongs_to_the_share_of_its_row() -> None:
    drawn = heat([[9, 1], [4, 4]], ["a", "b"], ("true", "answer"), "alt")
    shades = [float(shade) for shade in re.findall(r'fill-opacity="([\d.]+)"', drawn)]
    assert shades == pytest.approx([0.06 + 0.94 * 0.9, 0.06 + 0.94 * 0.25, 1.0, 0.06 + 0.94 * 0.5], abs=0.006)


def test_a_dot_far_below_stands_at_the_edge_with_its_score() -> None:
    def dot(score: float, kind: str, cost: float) -> Dot:
        return Dot(kind=kind, texts=[kind], title="", cost=cost, score=score, interval=None, worst=None, area=0.5)

    drawn = scatter([dot(93.0, "reference", 40.0), dot(52.0, "failed", 0.5)], [Level(score=92.0, text="margin")], ("ms", "%"), "alt")
    assert "failed ↓ 52.0" in drawn
    assert "reference</text>" in drawn


def test_every_plot_can_draw_the_least_there_is() -> None:
    drawn = [
        bars([("a", 0.0, "0")], "alt"),
        curves([Curve(name="a", kind="reference", points=[(1.0, 2.0)])], ("x", "y"), "alt"),
        reliability([Bin(confidence=1.0, accuracy=0.0, count=1)], "chosen", ("x", "y"), "alt"),
        heat([[0]], ["a"], ("true", "answer"), "alt"),
        intervals([Drop(name="x", certified=False, lower=None, drop=None, upper=2.0)], 1.0, ("zero", "margin", "points"), "alt"),
    ]
    assert all(picture.startswith("<svg") and "nan" not in picture for picture in drawn)
