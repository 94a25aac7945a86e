"""What users say about L2A."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from tinybert.augment.settings import AugmentGroups
from tinybert.augment.stationary import StationaryDistribution, StationarySettings
from tinybert.data.source_domain import TeacherData
from tinybert.selectors.policy import PolicySettings
from tinybert.types import Stage, subset


@dataclass(frozen=True)
class L2ASettings(StationaryDistribution):
    """Settings of the group `l2a`: those of the stationary distribution, and those of everything around it.

    Attributes:
        selector: Who chooses among the samples: the policy; nobody (`keep_all`, the control); or a rule without a
            reward (`agreement`): source texts count where the teacher says their gold label.
        policy: How it sees and learns.
        restart: The policy learns along with a student that is thrown away; then another one starts, and what the
            policy would rather drop is dropped. Twice the cost.
        learn_from: Which domains' texts the student sees.
        target_samples: Of each target text.
        source_samples: Of each source text, where they are sampled.
        source_text: The source domain contributes samples, its texts as they are, or both.
        source_limit: So many source texts at most, drawn once; None = all.
        balanced: Texts of the smaller domain are repeated until both are equally many.
        act_on_originals: The target's own texts may be dropped too.
        reward: What the policy is rewarded by: the metric on dev (accuracy, Pearson's correlation), the loss there, or
            for each sample its influence, the first-order term of what it does to that loss.
        reward_over: What a metric or loss after an update is compared with: that `before` it, as in the paper, or
            that of the same update with `all_kept`, a second update.
        reward_every: Updates between two measurements of it.
        reward_eval_size: Rows of dev it is measured on, drawn once; None = all.
        teacher_data: What a teacher without a head is fine-tuned on; None = on source then target where the source
            has labels, else on the target.
        train_generator: After each epoch the masked LM learns from the samples, the more the likelier the policy is to
            keep them, and fills their positions anew.
        generator_weights: How much a sample counts there: `policy`, exp(pi / kappa); `literal`, log P_s + pi, Eq. 9 as
            it is printed: nearly all of it negative, so that the generator unlearns what was drawn.
        kappa: Temperature of the policy's weights; None = alpha.
        generator: How it learns; an epoch of it after each of the student.
    """

    selector: Literal["reinforced", "keep_all", "agreement"] = "reinforced"
    policy: PolicySettings = field(default_factory=PolicySettings)
    restart: bool = False
    learn_from: Literal["both", "target", "source"] = "both"
    target_samples: int = 20  # Feng et al. 2021; so is the next
    source_samples: int = 1
    source_text: Literal["sampled", "original", "both"] = "sampled"
    source_limit: int | None = None
    balanced: bool = False
    act_on_originals: bool = False
    reward: Literal["metric", "neg_val_loss", "influence"] = "metric"
    reward_over: Literal["before", "all_kept"] = "before"
    reward_every: int = 1
    reward_eval_size: int | None = None
    teacher_data: TeacherData | None = "target"
    train_generator: bool = False
    generator_weights: Literal["policy", "literal"] = "policy"
    kappa: float | None = None
    generator: Stage = field(default_factory=lambda: Stage(epochs=1, lr=2e-5, schedule="constant"))

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        for name in ("target_samples", "source_samples", "source_limit", "reward_every", "reward_eval_size"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.kappa is not None and not 0 < self.kappa < float("inf"):
            raise ValueError(f"kappa must be positive and finite, got {self.kappa}")
        if self.train_generator and self.selector != "reinforced":
            raise ValueError(
                f"train_generator weighs samples by the policy, which selector={self.selector} does not have"
            )
        if self.train_generator and self.restart:
            raise ValueError("restart: the samples would not be those that the policy learnt on; train_generator=false")
        if self.generator.epochs != 1:
            raise ValueError(f"generator.epochs: the generator learns one epoch at a time, got {self.generator.epochs}")

    @property
    def samples_source(self) -> bool:
        """Whether source texts are rewritten."""
        return self.learn_from != "target" and self.source_text != "original"

    def stationary(self, *, source: bool = False) -> StationaryDistribution:
        """The distribution of a domain; source texts, of which there are many, take the fill of one forward pass."""
        target = subset(StationaryDistribution, self)
        return replace(target, fill="joint") if source else target

    def augmenting(self, *, source: bool = False) -> AugmentGroups:
        """The same as settings of augmentation."""
        copies = self.source_samples if source else self.target_samples
        return AugmentGroups(augment=StationarySettings(**asdict(self.stationary(source=source)), copies=copies))

    def unread(self) -> Iterator[tuple[str, str]]:
        """What the choice of domains, of the selector and of the generator leaves without use."""
        if self.learn_from == "target":
            for name in ("source_samples", "source_text"):
                yield name, "learn_from=target does not read it"
        elif self.source_text == "original":
            yield "source_samples", "source_text=original does not read it"
        if self.learn_from == "source":
            yield "target_samples", "learn_from=source does not read it"
        if self.learn_from != "both":
            yield "balanced", f"learn_from={self.learn_from} does not read it"
        if self.selector != "reinforced":
            for name in (
                "policy",
                "restart",
                "act_on_originals",
                "reward",
                "reward_over",
                "reward_every",
                "reward_eval_size",
            ):
                yield name, f"selector={self.selector} does not read it"
        if self.reward == "influence":
            for name in ("policy.gamma", "reward_over"):
                yield name, "reward=influence does not read it"
        if not self.train_generator:
            for name in ("generator_weights", "kappa", "generator"):
                yield name, "train_generator=false does not read it"
        elif self.generator_weights == "literal":
            yield "kappa", "generator_weights=literal does not read it"
