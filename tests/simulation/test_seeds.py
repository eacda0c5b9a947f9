"""Two thousand faulty day-parts: whatever is lost, late, doubled or killed, every invariant holds.

`./moondev simulate --seeds N` runs more of them; a failing seed is seen again by
`./moondev simulate --seed S --verbose`. What a hunt finds becomes a test of its own in the core's tests.
"""

from __future__ import annotations

import pytest

from exchanges.paper.config import FaultKind
from research.simulation import Summary, World, simulate
from tests.simulation.report import carry

CHUNK = 200
CHUNKS = 10
SIMULATED_S = 600
EVENTS = 500

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(900)]


def judge(summary: Summary) -> None:
    assert not summary.failed, summary.text()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_invariant_holds_in_every_seed(chunk: int, record_property) -> None:
    summary = simulate(range(chunk * CHUNK, (chunk + 1) * CHUNK), processes=1)
    carry(record_property, summary)
    print(summary.text())
    judge(summary)
    assert summary.seeds == CHUNK
    assert summary.simulated_s >= CHUNK * SIMULATED_S
    assert summary.fewest_events >= EVENTS
    missing = [kind for kind in FaultKind if not summary.met[f"line: {kind}"]]
    assert not missing, f"these faults were never met: {missing}"
    for what in ("crash: lost the unsynced tail", "crash: disk full", "clock back", "clock forward", "recovered"):
        assert summary.met[what], f"{what} was never met"


def test_the_same_seed_is_the_same_day() -> None:
    first, second = (World(7, audits=True).run() for _ in range(2))
    assert first.digest
    assert (first.digest, first.events, first.met) == (second.digest, second.events, second.met)


def test_calls_before_a_fault_of_the_same_event_are_made_in_a_replay() -> None:
    """Found by seed 710: a strategy that decides and one that raises at the same event."""
    outcome = World(710).run()
    assert not outcome.rule, outcome.text


def test_a_seed_can_be_told_as_a_story() -> None:
    world = World(7, verbose=True)
    world.run()
    assert any("VenueSnapshot" in line for line in world.trace.lines)
