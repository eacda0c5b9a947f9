"""What every drill came to, carried from the tests (and from xdist's workers) to the end of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal

import pytest
from msgspec import Struct
from msgspec.structs import asdict

PROPERTY = "drill"


class Figures(Struct, frozen=True):
    """How a drill ended: what was lost, of at most how much (USD), and in which state."""

    drill: str
    lost: Decimal
    bound: Decimal
    ended: str

    def text(self) -> str:
        """One line for people."""
        return f"drill {self.drill}: lost {self.lost:.2f} of at most {self.bound:.2f} USD; ended {self.ended}"


def carry(record_property, figures: Figures) -> None:
    """Print a drill's figures, and attach them to the report of the running test."""
    print(figures.text())
    record_property(PROPERTY, json.dumps(asdict(figures), default=str))


def lines(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """One line for every drill that was held, in order of their names."""
    found = [
        Figures(row["drill"], Decimal(row["lost"]), Decimal(row["bound"]), row["ended"])
        for report in reports
        for name, value in report.user_properties
        if name == PROPERTY
        for row in [json.loads(str(value))]
    ]
    yield from sorted(figures.text() for figures in found)
