"""The group `export`: how a run's student is quantised."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tinybert.tasks.thresholds import Wanted, parse_wanted


@dataclass(frozen=True)
class ExportSettings:
    """Settings of the group `export`.

    Attributes:
        quantisation: `static`: an int8 answer is the same in any batch; `dynamic`: scales are of each whole batch.
        calibration_rows: Training rows that ranges for static quantisation are measured on.
        qat: Whether a short last stage learns to answer in int8 as in fp32 (quantisation-aware training).
        threshold: What the probability from which on a label is said has to reach on dev, of two classes the positive
            one: `precision:0.95`, or `recall:0.9`; None = the likelier class, and of several labels the best F1.
    """

    quantisation: Literal["static", "dynamic"] = "static"
    calibration_rows: int = 200
    qat: bool = False
    threshold: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.calibration_rows < 1:
            raise ValueError(f"calibration_rows must be at least 1, got {self.calibration_rows}")
        self.wanted()  # refuses a wish that is none

    def wanted(self) -> Wanted | None:
        """What `threshold` asks for."""
        return None if self.threshold is None else parse_wanted(self.threshold)

    def unread(self) -> Iterator[tuple[str, str]]:
        """Keys that others leave without use, and why; see `config.unread`."""
        if self.quantisation == "dynamic":
            yield from ((name, "quantisation=dynamic has no fixed ranges") for name in ("calibration_rows", "qat"))
