import pytest
import torch

from tinybert.selectors.fixed import KeepAll, Weighted
from tinybert.types import NO_TRACE, Batch, Selector


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
    selector.before_update()
    assert torch.equal(selector.choose(NO_TRACE, NO_TRACE, batch), torch.tensor([0.3, 0.1]))
    selector.after_update()
    selector.after_epoch()
    assert isinstance(selector, Selector)
    assert selector.state_dict() == {}
    selector.load_state_dict({})
