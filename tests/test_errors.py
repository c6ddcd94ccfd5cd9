import pytest

from smelt.errors import BundleFault, DataFault, EnvironmentFault, RecipeFault, RecipeFaults, SmeltError, UsageFault


@pytest.mark.parametrize(
    ("kind", "code"), [(SmeltError, 1), (UsageFault, 2), (RecipeFaults, 2), (DataFault, 4), (EnvironmentFault, 5), (BundleFault, 5)]
)
def test_a_fault_has_the_exit_code_of_its_kind(kind, code):
    assert issubclass(kind, SmeltError)
    assert kind.exit_code == code


def test_a_fault_shows_what_was_found_and_below_it_the_next_step():
    assert str(DataFault("train.csv:7: no label", step="Write one.")) == "train.csv:7: no label\n  Write one."


def test_a_fault_without_a_next_step_is_one_line():
    assert str(BundleFault("damaged")) == "damaged"


def test_recipe_faults_are_numbered_and_in_the_order_of_their_lines():
    faults = [
        RecipeFault(file="r.yaml", line=9, column=10, path="train.epochs", message="got 'ten'"),
        RecipeFault(file="r.yaml", line=7, column=3, path="train.batch_sise", message="unknown key"),
    ]
    assert str(RecipeFaults("r.yaml", faults)).splitlines() == [
        "r.yaml: 2 faults",
        "  r.yaml:7:3  train.batch_sise: unknown key",
        "  r.yaml:9:10  train.epochs: got 'ten'",
    ]


def test_one_recipe_fault_is_not_said_in_the_plural():
    fault = RecipeFault(file="r.yaml", line=0, column=0, path="data", message="missing")
    assert str(RecipeFaults("r.yaml", [fault])).startswith("r.yaml: 1 fault\n")
