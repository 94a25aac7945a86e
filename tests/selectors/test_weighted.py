import torch

from tinybert.selectors.weighted import Weighted
from tinybert.types import NO_TRACE, Batch, Selector


def test__each_row_counts_as_much_as_it_was_said_to() -> None:
    chooser = Weighted(torch.tensor([0.1, 0.2, 0.3]))
    pieces = torch.zeros(2, 4, dtype=torch.long)
    batch = Batch(pieces, pieces, pieces == 0, None, torch.tensor([2, 0]))
    chooser.before_update()
    assert torch.equal(chooser.choose(NO_TRACE, NO_TRACE, batch), torch.tensor([0.3, 0.1]))
    chooser.after_update()
    chooser.after_epoch()
    assert isinstance(chooser, Selector)
    assert chooser.state_dict() == {}
    chooser.load_state_dict({})
