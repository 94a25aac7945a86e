"""What users say about DistilBERT's triple loss on a task (Sanh et al. 2019, arXiv:1910.01108)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TripleSettings:
    """Settings of the group `objective`: weights of what is learnt on a task; 0 leaves a part out.

    Attributes:
        soft: Of the teacher's distribution over the classes; of scores, of the teacher's score.
        gold: Of the labels.
        cosine: Of the directions of the last hidden states.
    """

    soft: float = 1.0
    gold: float = 1.0
    cosine: float = 1.0

    def __post_init__(self) -> None:
        """Refuse to learn nothing, or the wrong way."""
        weights = {"soft": self.soft, "gold": self.gold, "cosine": self.cosine}
        for name, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"{name} must be finite and not negative, got {weight}")
        if not any(weights.values()):
            raise ValueError("soft, gold and cosine are all 0; nothing would be learnt")
