"""A wrong setting, as a person reads it: where it stands, what was expected, what to write instead.

Place      file, line and column
Problem    one wrong setting
Problems   the `ConfigError` that carries them all
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the top of the file: `("strategies", 0, "kind")`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; line and column count from 1 (0 = the file as a whole)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`file:line:column`, as editors and terminals understand it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting."""

    place: Place
    path: KeyPath
    text: str

    def __str__(self) -> str:
        """One line: place, key path, sentence."""
        where = path_text(self.path)
        return f"{self.place}: {where}: {self.text}" if where else f"{self.place}: {self.text}"


class Problems(ConfigError):
    """Every wrong setting of a configuration in one error, in the order of the file."""

    def __init__(self, problems: Sequence[Problem], what: str = "The configuration") -> None:
        """Sort the problems by place and write them one a line; `what` has them."""
        self.problems = tuple(sorted(problems, key=lambda p: (p.place.file, p.place.line, p.place.column)))
        count = len(self.problems)
        headline = f"{what} has 1 problem:" if count == 1 else f"{what} has {count} problems:"
        super().__init__("\n  ".join([headline, *map(str, self.problems)]))


def path_text(path: KeyPath) -> str:
    """`strategies[0].params.levels` for people."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
