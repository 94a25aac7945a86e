"""The group `export`: how a run's student is quantised."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ExportSettings:
    """Settings of the group `export`.

    Attributes:
        quantisation: `static`: an int8 answer is the same in any batch; `dynamic`: scales are of each whole batch.
        calibration_rows: Training rows that ranges for static quantisation are measured on.
    """

    quantisation: Literal["static", "dynamic"] = "static"
    calibration_rows: int = 200

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.calibration_rows < 1:
            raise ValueError(f"calibration_rows must be at least 1, got {self.calibration_rows}")

    def unread(self) -> Iterator[tuple[str, str]]:
        """Keys that others leave without use, and why; see `config.unread`."""
        if self.quantisation == "dynamic":
            yield "calibration_rows", "quantisation=dynamic measures no ranges"
