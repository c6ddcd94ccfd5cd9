"""What must not be lost beside accuracy: recall of classes, macro-F1, the ROC area, costs; and rows that come in groups."""

import json

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from smelt.errors import DataFault, UsageFault
from smelt.recipe.verify import Auroc, Cost, MacroF1, Recall
from smelt.verify import tango
from smelt.verify.auroc import auroc, auroc_drop
from smelt.verify.clustered import drop_test
from smelt.verify.compare import Context, compare
from smelt.verify.predictions import read
from smelt.verify.requirements import Answers, foresee, kept_chance

NAMES = ("ham", "news", "spam")


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("SMELT_LANG", "en")


@pytest.fixture
def write(tmp_path):
    """Write two predictions files of `n` rows; the candidate errs on a share of each class."""

    def make(lost, n=900, groups=None, seed=0, *, scores=True):
        rng = np.random.default_rng(seed)
        labels = np.arange(n) % 3
        files = []
        for name, shares in (("reference", (0.1, 0.1, 0.1)), ("candidate", [0.1 + more for more in lost])):
            wrong = rng.random(n) < np.array(shares)[labels]
            answers = np.where(wrong, (labels + 1) % 3, labels)
            lines = []
            for row in range(n):
                line = {"id": f"{row:05}", "label": NAMES[labels[row]], "prediction": NAMES[answers[row]]}
                if scores:
                    line["scores"] = [0.7 if place == answers[row] else 0.15 for place in range(3)]
                if groups:
                    line["group"] = f"g{row // groups}"
                lines.append(json.dumps(line))
            path = tmp_path / f"{name}.jsonl"
            path.write_text("\n".join(lines), encoding="utf-8")
            files.append(read(path, scores=scores))
        return files

    return make


def judged(files, *also, margin=5.0):
    return compare(*files, margin_points=margin, confidence=0.95, context=Context(candidate="c", also=also))


def test_the_recall_of_every_class_is_tangos_test_on_its_rows(write):
    files = write((0, 0, 0))
    verdict = judged(files, Recall(margin_points=6.0))
    assert [one.label for one in verdict.requirements] == list(NAMES)
    first = verdict.requirements[0]
    reference, candidate = files
    own = reference.labels_B == reference.names.index("ham")
    right, still = (side.predictions_B[own] == side.labels_B[own] for side in (reference, candidate))
    lost, won = int((right & ~still).sum()), int((still & ~right).sum())
    assert first.upper == pytest.approx(100 * tango.upper_bound(lost, won, 300, 0.95))
    assert (first.n, first.level) == (300, "certificate")


def test_one_broken_class_takes_the_certificate_and_is_named(write):
    verdict = judged(write((0, 0, 0.2)), Recall(label="spam", margin_points=3.0), margin=12.0)
    assert verdict.p_value <= 0.05
    assert not verdict.certified
    assert "but breaks what verify.also asks. recall of 'spam' may fall by" in verdict.sentence


def test_what_is_kept_is_told_and_an_estimate_is_called_one(write):
    verdict = judged(write((0, 0, 0)), MacroF1(margin_points=6.0), Recall(label="ham", margin_points=9.0))
    assert verdict.certified
    assert verdict.sentence.endswith("Kept as well: macro-F1, recall of 'ham'. Estimated, not certified: macro-F1.")


def test_costs_weigh_mistakes(write):
    files = write((0, 0, 0.1))
    cheap, dear = (judged(files, Cost(costs={"spam": {"ham": cost}}, margin=0.2)).requirements[0] for cost in (0.0, 30.0))
    assert cheap.kept
    assert not dear.kept
    counts = [sum((side.labels_B == side.names.index("spam")) & (side.predictions_B == side.names.index("ham"))) for side in files]
    assert dear.drop - cheap.drop == pytest.approx(30.0 * (counts[1] - counts[0]) / 900)


def test_the_area_is_that_of_sklearn():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 400)
    scores = rng.normal(size=(400, 3)).round(1) + np.eye(3)[labels]
    each = [roc_auc_score(labels == number, scores[:, number]) for number in range(3)]
    assert auroc(scores, labels) == pytest.approx(np.mean(each), abs=1e-12)


def test_the_bound_of_the_area_is_delongs():
    rng = np.random.default_rng(2)
    own = rng.random(300) < 0.3
    ours, theirs = (own * strength + rng.normal(size=300) for strength in (1.4, 1.1))

    def placements(score):
        return (score[own][:, None] > score[~own]).mean(1), (score[own][:, None] > score[~own]).mean(0)

    # DeLong's variance, written out: covariances of the placements on either side.
    (a_own, a_rest), (b_own, b_rest) = placements(ours), placements(theirs)
    variance = np.var(a_own - b_own, ddof=1) / own.sum() + np.var(a_rest - b_rest, ddof=1) / (~own).sum()
    drop, upper = auroc_drop(*(np.stack([-score, score], 1) for score in (ours, theirs)), own.astype(int), confidence=0.95)
    assert drop == pytest.approx(a_own.mean() - b_own.mean(), abs=1e-12)
    assert upper == pytest.approx(drop + norm.ppf(0.95) * np.sqrt(variance), rel=0.01)


def test_examples_that_stand_there_four_times_as_a_group_count_once():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 200)
    ours, theirs = (rng.normal(size=(200, 3)) + strength * np.eye(3)[labels] for strength in (1.5, 1.3))
    want = auroc_drop(ours, theirs, labels, confidence=0.95, groups_B=np.arange(200))
    assert want == pytest.approx(auroc_drop(ours, theirs, labels, confidence=0.95), rel=0.01)
    repeated = [np.repeat(each, 4, axis=0) for each in (ours, theirs, labels)]
    assert auroc_drop(*repeated, confidence=0.95, groups_B=np.repeat(np.arange(200), 4)) == pytest.approx(want, rel=1e-9)
    assert auroc_drop(*repeated, confidence=0.95)[1] < want[1]


@pytest.mark.parametrize(("section", "worst"), [(MacroF1(), 100.0), (Auroc(), 100.0), (Cost(otherwise=3.0), 3.0)])
def test_one_group_alone_certifies_nothing(write, section, worst):
    (found,) = judged(write((0, 0, 0), groups=900), section).requirements
    assert (found.kept, found.upper) == (False, worst)


def test_the_area_needs_scores(write):
    with pytest.raises(DataFault, match="scores"):
        judged(write((0, 0, 0), scores=False), Auroc())


def test_a_class_that_does_not_occur_is_refused(write):
    with pytest.raises(UsageFault, match="'eggs'"):
        judged(write((0, 0, 0)), Recall(label="eggs"))


def test_independent_groups_of_one_row_give_what_the_t_test_gives():
    rng = np.random.default_rng(3)
    loss = rng.choice([-1, 0, 1], p=[0.04, 0.9, 0.06], size=2000)
    p_value, upper = drop_test(loss, np.arange(2000), 0.02, 0.95)
    error = loss.std(ddof=1) / np.sqrt(2000)
    assert upper == pytest.approx(loss.mean() + norm.ppf(0.95) * error, rel=0.03)
    assert p_value == pytest.approx(norm.cdf((loss.mean() - 0.02) / error), rel=0.25, abs=0.002)
    assert drop_test(loss, np.arange(2000), upper, 0.95)[0] == pytest.approx(0.05, abs=1e-6)


def test_rows_that_err_together_count_for_less(write):
    alone, together = (compare(*write((0, 0, 0), groups=groups), margin_points=5.0, confidence=0.95) for groups in (None, 90))
    assert together.p_value >= alone.p_value
    assert together.upper_points >= alone.upper_points
    assert "rows of 10 groups" in together.method


def test_one_group_certifies_nothing():
    assert drop_test(np.zeros(50, int), np.zeros(50, int), 0.1, 0.95) == (1.0, 1.0)


def test_a_group_on_some_lines_only_is_refused(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": 1, "prediction": "a", "group": "x"}\n{"id": 2, "prediction": "a"}\n', encoding="utf-8")
    with pytest.raises(DataFault, match="group"):
        read(path)


def test_classes_that_are_too_rare_are_told_before_training():
    assert foresee((Recall(margin_points=2.0),), {"ham": 500, "spam": 40}, 0.95) == [
        "recall of 'spam' cannot be certified within 2 points on 40 rows of confirm; at least 133 are needed"
    ]
    with pytest.raises(UsageFault, match="'eggs'"):
        foresee((Recall(label="eggs"),), {"ham": 500}, 0.95)


def test_rows_of_a_group_that_err_together_count_for_less_in_recall_and_agreement_too(write):
    files = write((0.04, 0, 0), n=3000, groups=3)
    alone = write((0.04, 0, 0), n=3000)
    grouped, plain = (judged(one, Recall(label="ham", margin_points=9.0)) for one in (files, alone))
    assert grouped.requirements[0].level == "certificate"
    assert grouped.requirements[0].upper >= plain.requirements[0].upper
    few = judged(write((0.04, 0, 0), n=3000, groups=100), Recall(label="ham", margin_points=9.0))
    assert few.requirements[0].level == "estimate"
    unlabeled = compare(*write((0.04, 0, 0), n=3000, groups=100), margin_points=30.0, confidence=0.95, unlabeled=True)
    assert "rows of 30 groups" in unlabeled.method


def test_a_class_without_rows_does_not_stand_in_the_way_of_every_class(write):
    files = write((0, 0, 0))
    context = Context(candidate="c", also=(Recall(margin_points=8.0),), labels=(*NAMES, "unseen"))
    verdict = compare(*files, margin_points=5.0, confidence=0.95, context=context)
    assert [one.label for one in verdict.requirements] == list(NAMES)


def test_a_few_groups_that_lose_much_are_not_taken_for_a_small_spread():
    even, skewed = np.zeros((50, 20), int), np.zeros((50, 20), int)
    even[:, 0] = np.arange(50) % 2
    skewed[:2, :] = 1
    skewed[2:, 0] = 0
    bounds = [drop_test(loss.ravel(), np.repeat(np.arange(50), 20), 0.1, 0.95)[1] - loss.mean() for loss in (even, skewed)]
    plain = norm.ppf(0.95) * np.std(skewed.sum(1), ddof=1) * np.sqrt(50) / 1000
    assert bounds[1] > plain
    assert bounds[0] < bounds[1]


def test_costs_of_classes_that_do_not_exist_are_refused_before_training():
    with pytest.raises(UsageFault, match="'frud'"):
        foresee((Cost(costs={"frud": {"ham": 3.0}}),), {"ham": 500, "spam": 90}, 0.95)


@pytest.mark.parametrize(
    ("section", "kept"),
    [
        (Recall(label="spam", margin_points=3.0), False), (Recall(label="ham", margin_points=9.0), True),
        (MacroF1(margin_points=1.0), False), (MacroF1(margin_points=30.0), True), (Auroc(margin_points=0.5), False),
        (Cost(margin=0.01), False), (Cost(margin=0.5), True),
    ],
)  # fmt: skip
def test_dev_tells_how_likely_a_requirement_is_kept(write, section, kept):
    reference, candidate = write((0, 0, 0.25))
    order = [reference.names.index(name) for name in NAMES]
    place = np.argsort(order)
    answers = Answers(
        names=NAMES, labels_B=place[reference.labels_B], reference_B=place[reference.predictions_B],
        candidate_B=np.argsort([candidate.names.index(name) for name in NAMES])[candidate.predictions_B],
        reference_BC=reference.scores_BC, candidate_BC=candidate.scores_BC,
    )  # fmt: skip
    chance = kept_chance(answers, (section,), dict.fromkeys(NAMES, 1000), 0.95)
    assert (chance > 0.5) == kept
