"""Thousands of faulty day-parts, lived through by the real core: every invariant holds in every one of them."""

import pytest

from research.simulation import simulate

SEEDS = 2_000
LEAST_EVENTS = 500
LEAST_SIMULATED_S = 600
MUST_BE_MET = (
    "clock back",
    "clock forward",
    "crash: again at the start",
    "crash: in the middle of sending",
    "crash: lost the unsynced tail",
    "disk full",
    "feed gap, silent",
    "line: delay_event",
    "line: disconnect",
    "line: drop_event",
    "line: drop_intent",
    "line: duplicate_event",
    "line: duplicate_intent",
    "line: lose_answer",
    "line: rate_limit",
    "line: reorder_event",
    "strategy overran",
    "taken over while alive",
)

REGRESSIONS: tuple[int, ...] = ()
"""Seeds that once failed, beyond those above."""


@pytest.mark.simulation
@pytest.mark.timeout(900)
def test_every_invariant_holds_in_every_seed(capsys: pytest.CaptureFixture[str]) -> None:
    summary = simulate([*range(1, SEEDS + 1), *REGRESSIONS], processes=2, stop_at=3)
    with capsys.disabled():
        print("\n" + summary.text())
    assert not summary.failed, summary.text()
    assert summary.seeds >= SEEDS
    assert summary.fewest_events >= LEAST_EVENTS
    assert summary.simulated_s >= LEAST_SIMULATED_S * SEEDS
    assert [what for what in MUST_BE_MET if not summary.met[what]] == []
