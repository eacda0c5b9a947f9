"""What the simulated seeds met, carried from the tests (and from xdist's workers) to the end of the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from research.simulation import Summary

PROPERTY = "simulation"


def carry(record_property, summary: Summary) -> None:
    """Attach a summary to the report of the running test."""
    figures = {
        "seeds": summary.seeds,
        "events": summary.events,
        "simulated_s": summary.simulated_s,
        "took_s": summary.took_s,
    }
    record_property(PROPERTY, json.dumps({**figures, "met": summary.met}))


def lines(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """The sum of what the reports carry, for the terminal; nothing when no seed was run."""
    total: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for report in reports:
        for name, value in report.user_properties:
            if name == PROPERTY:
                figures = json.loads(str(value))
                met.update(figures.pop("met"))
                total.update(figures)
    if not total:
        return
    yield (
        f"simulation: {total['seeds']} seeds, {total['events']} events, {total['simulated_s'] / 3600:.0f} simulated "
        f"hours, {total['seeds'] / total['took_s']:.1f} seeds/s on one core; met:"
    )
    yield ", ".join(f"{what} {count}" for what, count in sorted(met.items()))
