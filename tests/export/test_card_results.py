from tinybert.export.card_results import System, results

TEACHER = System({"dev": {"accuracy": 0.93}}, parameters=22_700_000, bytes=90_000_000)
STUDENT = System(
    {"dev": {"accuracy": 0.91, "f1": 0.9}, "test": {"accuracy": 0.9}},
    parameters=14_350_000,
    bytes=57_400_000,
    latency_ms={"32": {"p50": 3.456, "p95": 4.0}},
    threads=2,
)


def test__each_system_is_a_row_and_each_split_and_metric_a_column() -> None:
    shown = results({"student": STUDENT, "teacher": TEACHER}, "two cores")
    assert "|  | dev accuracy | dev f1 | test accuracy |" in shown
    assert "| Teacher | 0.9300 |  |  |" in shown
    assert "| Student | 0.9100 | 0.9000 | 0.9000 |" in shown
    assert shown.index("Teacher") < shown.index("| Student")


def test__a_held_out_loss_is_a_column_that_the_teacher_has_not() -> None:
    shown = results({"teacher": System(parameters=1), "student": System({"held_out": {"loss": 2.65562}})}, "two cores")
    assert "|  | held-out loss |" in shown
    assert "| Teacher |  |" in shown
    assert "| Student | 2.6556 |" in shown


def test__cost_has_units_and_says_how_it_was_measured() -> None:
    shown = results({"teacher": TEACHER, "student": STUDENT}, "a machine | of mine")
    assert "| Student | 14.35 M | 57.4 MB | 3.46 / 4.00 ms |" in shown
    assert "| Teacher | 22.70 M | 90.0 MB |  |" in shown
    assert "threads: 2; a machine \\| of mine" in shown


def test__no_figures_are_invented() -> None:
    assert results({}, "x") == "Nothing was measured."
    assert "Latency" not in results({"teacher": TEACHER}, "x")
    assert "accuracy" not in results({"student": System(parameters=1)}, "x")
