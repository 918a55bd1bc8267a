"""What a process takes over time, and whether it takes more and more."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, median

MOST_MB_AN_HOUR = 1.0
LEAST_MB = 0.25
"""A slope from a few minutes is noise: it counts once it has come to so much."""
LEAST_FILES = 2


@dataclass(slots=True)
class Samples:
    """Of one process: when (seconds), resident bytes, open files."""

    name: str
    at: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def add(self, at: float, memory: int, files: int) -> None:
        self.at.append(at)
        self.memory.append(memory)
        self.files.append(files)

    def after(self, warm: float) -> "Samples":
        """Without what was before `warm`."""
        kept = [place for place, at in enumerate(self.at) if at >= warm]
        return Samples(self.name, *([values[place] for place in kept] for values in (self.at, self.memory, self.files)))

    @property
    def mb_an_hour(self) -> float:
        return float(linear_regression(self.at, self.memory).slope) * 3600 / 1e6

    @property
    def more_files(self) -> float:
        """How many more were open in the last third than in the first, at the median."""
        third = max(1, len(self.files) // 3)
        return median(self.files[-third:]) - median(self.files[:third])

    def problem(self) -> str:
        """What grows; empty where nothing does."""
        grown = self.mb_an_hour * (self.at[-1] - self.at[0]) / 3600
        if self.mb_an_hour > MOST_MB_AN_HOUR and grown > LEAST_MB:
            return f"{self.name} grows by {self.mb_an_hour:.1f} MB an hour, more than {MOST_MB_AN_HOUR:g}"
        if self.more_files > LEAST_FILES:
            return f"{self.name} has {self.more_files:.0f} more files open at the end than after the warm-up"
        return ""


def table(warm: Sequence[Samples]) -> str:
    """A row for each process, as Markdown."""
    rows = ["| process | memory after warm-up | at the end | slope | open files after warm-up | at the end |"]
    rows.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for one in warm:
        third = max(1, len(one.files) // 3)
        rows.append(
            f"| {one.name} | {one.memory[0] / 1e6:.1f} MB | {one.memory[-1] / 1e6:.1f} MB | {one.mb_an_hour:+.2f} MB/h "
            f"| {median(one.files[:third]):.0f} | {median(one.files[-third:]):.0f} |"
        )
    return "\n".join(rows) + "\n"
