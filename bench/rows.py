"""What a measurement reports: our figure beside the floor's, and their ratio, which is what counts."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `ratio` is ours ÷ floor in the floor's unit, `goal` is what performance promises."""

    work: str
    floor_name: str
    floor: float
    ours: float
    unit: str
    goal: str
    met: bool | None
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours divided by the floor."""
        return self.ours / self.floor if self.floor else float("inf")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, as it stands in docs/bench.md."""
    lines = [
        "| work | floor | floor's figure | ours | ours ÷ floor | goal | met |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        met = {True: "yes", False: "no", None: "–"}[row.met]
        note = f" ({row.note})" if row.note else ""
        lines.append(
            f"| {row.work}{note} | {row.floor_name} | {row.floor:.4g} {row.unit} | {row.ours:.4g} {row.unit} "
            f"| {row.ratio:.2f} | {row.goal} | {met} |"
        )
    return "\n".join(lines)
