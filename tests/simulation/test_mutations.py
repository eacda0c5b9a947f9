"""The simulation can fail: each rule switched off is noticed within a few dozen seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from domain.order import Order, OrderStatus
from engine.core import orders
from engine.core.core import Core
from engine.core.executor import targets
from research.simulation import World

WITHIN_SEEDS = 60


def first_failure(build: Callable[[int], World]) -> str:
    """The rule that the first failing seed broke, "" when none did."""
    for seed in range(1, WITHIN_SEEDS + 1):
        outcome = build(seed).run()
        if outcome.rule:
            return outcome.rule
    return ""


@pytest.mark.simulation
@pytest.mark.timeout(300)
def test_counting_only_acknowledged_orders_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def acknowledged_only(order: Order) -> int:
        return order.leaves if order.status is OrderStatus.OPEN else 0

    monkeypatch.setattr(targets, "in_flight", acknowledged_only)
    assert first_failure(World) == "no overshoot"


@pytest.mark.simulation
@pytest.mark.timeout(300)
def test_order_ids_that_are_not_derived_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()
    monkeypatch.setattr(Core, "next_client_id", lambda core: f"{core.state.installation}-r-{next(numbers):x}")
    assert first_failure(World) == "replay"


@pytest.mark.simulation
@pytest.mark.timeout(300)
def test_sending_before_the_journal_is_on_disk_is_noticed() -> None:
    assert first_failure(lambda seed: World(seed, wait_for_disk=False)) == "journaled before sent"


@pytest.mark.simulation
@pytest.mark.timeout(300)
def test_a_fired_stop_that_does_not_consume_its_entry_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PROTECTIVE", frozenset())
    assert first_failure(World) == "entry consumed"
