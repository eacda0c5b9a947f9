"""The simulation notices when a rule that it is to prove is switched off."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from domain.commands import Approve, Door
from domain.order import ClientId, Order, OrderStatus
from engine.core import commands, incident, requests, trading
from engine.core.core import Core
from engine.core.executor import targets
from engine.core.state import Slot
from engine.core.step import TIMERS
from research.simulation import Outcome, World

WITHIN_SEEDS = 60

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]


def first_failure(
    *, wait_for_disk: bool = True, watches_disk: bool = True, ignored: tuple[str, ...] = (), begin: int = 0
) -> Outcome:
    """What the first seeds from `begin` on find; where little happens that shows it, that is close before it does."""
    for seed in range(begin, begin + WITHIN_SEEDS):
        world = World(seed, wait_for_disk=wait_for_disk)
        world.door.watches_disk = watches_disk
        outcome = world.run()
        if outcome.rule and outcome.rule not in ignored:
            print(f"noticed after {seed + 1} seeds: {outcome.text[:300]}")
            return outcome
    pytest.fail(f"{WITHIN_SEEDS} seeds did not notice")


def test_without_the_in_flight_rule_targets_are_overshot(monkeypatch) -> None:
    def only_open(order: Order) -> int:
        return order.leaves if order.status is OrderStatus.OPEN else 0

    monkeypatch.setattr(targets, "in_flight", only_open)
    outcome = first_failure(ignored=("half open",))
    assert outcome.rule in {"no overshoot", "position limit"}


def test_with_random_ids_runs_cannot_be_replayed_and_orders_are_not_found_again(monkeypatch) -> None:
    source = random.Random(0)

    def random_id(core: Core) -> ClientId:
        return f"{core.state.installation}-{source.getrandbits(64):x}"

    monkeypatch.setattr(Core, "next_client_id", random_id)
    outcome = first_failure()
    unlike = {"replay", "facts replay", "recovery repeats", "snapshot"}
    assert outcome.rule in {*unlike, "one order per intent", "no false alarm"}


def test_sending_before_the_journal_is_on_disk_is_noticed_at_the_door() -> None:
    outcome = first_failure(wait_for_disk=False)
    assert outcome.rule == "journaled before sent"


def test_sending_before_the_journal_is_on_disk_leaves_orders_that_nobody_remembers() -> None:
    outcome = first_failure(wait_for_disk=False, watches_disk=False, ignored=("one epoch sends", "tripped breaker"))
    # "halted": the halt itself was lost with the tail
    lost = {"told only what is on disk", "one order per intent", "no false alarm", "halted"}
    assert outcome.rule in {*lost, "no overshoot", "position limit", "envelope"}


def test_without_consumed_entries_a_fired_stop_is_bought_back(monkeypatch) -> None:
    monkeypatch.setattr(Slot, "consumed", property(lambda _: "", lambda _, __: None))
    outcome = first_failure()
    assert outcome.rule == "entry consumed"


def test_a_strangers_order_that_holds_nothing_back_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(trading, "latch_venue", lambda *_: None)
    outcome = first_failure(begin=65)
    assert outcome.rule == "held back"


def test_a_request_that_needs_no_more_votes_than_there_are_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(requests, "missing", lambda *_: 0)
    assert first_failure().rule in {"votes", "override voted"}


def test_a_resume_past_the_steps_of_an_incident_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(incident, "objection", lambda *_: None)
    assert first_failure(begin=130).rule == "an incident's steps"


def test_a_release_without_anybodys_vote_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(
        commands, "ask_quorum", lambda core, _event, command: commands.give(core, "nobody", command, asker="")
    )
    assert first_failure().rule == "nobody alone"


def test_a_vote_for_something_else_that_counts_is_noticed(monkeypatch) -> None:
    counts = requests.vote

    def blind(core: Core, ballot: Approve, person: str, door: Door):
        return counts(core, replace(ballot, digest=""), person, door)

    monkeypatch.setattr(requests, "vote", blind)
    assert first_failure().rule == "a vote for something else"


def test_an_override_that_does_not_end_is_noticed(monkeypatch) -> None:
    monkeypatch.setitem(TIMERS, "override", lambda *_: None)
    assert first_failure().rule == "an override ends"


def test_what_leaves_past_a_tripped_breaker_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(Core, "bar_of", lambda *_: None)
    assert first_failure().rule == "tripped breaker"


def test_more_than_a_quarter_while_half_open_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(Core, "part", lambda _core, _slot, qty: qty)
    assert first_failure().rule == "half open"


def test_amendments_of_which_a_copy_may_arrive_count(monkeypatch) -> None:
    monkeypatch.setattr(Order, "sent_qty", property(lambda _: 0, lambda _, __: None))
    outcome = first_failure(begin=731)
    assert outcome.rule in {"envelope", "position limit", "half open"}
