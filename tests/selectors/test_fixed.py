import pytest
import torch

from tinybert.selectors.features import Facts
from tinybert.selectors.fixed import Agreement, KeepAll, Weighted
from tinybert.types import LOGITS, NO_TRACE, Batch, Selector, Trace


def batch_of(size: int) -> Batch:
    pieces = torch.zeros(size, 5, dtype=torch.long)
    return Batch(pieces, pieces, pieces == 0, None, torch.arange(size))


@pytest.mark.parametrize("size", [1, 7])
def test__every_example_has_weight_one(size: int) -> None:
    assert torch.equal(KeepAll().choose(NO_TRACE, NO_TRACE, batch_of(size)), torch.ones(size))


def test__needs_nothing_and_has_no_state() -> None:
    selector = KeepAll()
    assert selector.needs_student == selector.needs_teacher == frozenset()
    selector.after_update()
    selector.after_epoch()
    assert selector.state_dict() == {}
    selector.load_state_dict({})


def test__the_state_of_another_selector_is_refused() -> None:
    with pytest.raises(ValueError, match="policy"):
        KeepAll().load_state_dict({"policy": torch.zeros(2)})


def test__each_row_counts_as_much_as_it_was_said_to() -> None:
    selector = Weighted(torch.tensor([0.1, 0.2, 0.3]))
    pieces = torch.zeros(2, 4, dtype=torch.long)
    batch = Batch(pieces, pieces, pieces == 0, None, torch.tensor([2, 0]))
    selector.before_update(torch.optim.SGD([torch.zeros(1)]))
    assert torch.equal(selector.choose(NO_TRACE, NO_TRACE, batch), torch.tensor([0.3, 0.1]))
    selector.after_update()
    selector.after_epoch()
    assert isinstance(selector, Selector)
    assert selector.state_dict() == {}
    selector.load_state_dict({})


def known(*gold: float) -> Facts:
    nothing = torch.zeros(len(gold))
    return Facts(nothing == 0, nothing == 1, nothing.long(), nothing, torch.tensor(gold))


def test__agreement_keeps_what_the_teacher_says_as_the_gold_label_and_what_has_none() -> None:
    selector = Agreement(known(1.0, 0.0, torch.nan))
    assert selector.needs_student == frozenset()
    teacher = Trace({LOGITS: torch.tensor([[0.0, 1.0]] * 3)})
    assert selector.choose(NO_TRACE, teacher, batch_of(3)).tolist() == [1, 0, 1]


def test__of_scores_it_keeps_those_whose_error_is_no_more_than_a_deviation_of_the_gold_scores() -> None:
    selector = Agreement(known(0.0, 2.0, torch.nan, 1.0))  # deviation .816
    teacher = Trace({LOGITS: torch.tensor([[0.8], [1.1], [9.0], [1.0]])})
    assert selector.choose(NO_TRACE, teacher, batch_of(4)).tolist() == [1, 0, 1, 1]
