"""Whatever happens in which order: nothing that adds risk passes an open breaker, half open it is a quarter at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.breakers import BreachSource, BreakerAction, Measured, Watch
from domain.codec import encode
from domain.commands import Approve, SetBreaker
from domain.order import Intent, Place
from domain.security import SecurityBreach
from engine.core.recovery import recover
from risk.breaker import BreakerState
from risk.matrix import DEFAULTS
from tests.engine.core.matrix.rig import MISSION, failures, load, price, round_trips
from tests.engine.core.rig import BTC, Rig, places, quote, take, target, wants

Step: TypeAlias = tuple[str, int]
FULL = 800
NAMES = [watch.value for watch in Watch if watch is not Watch.EXCHANGE_FAILURE]


def release(rig: Rig, n: int) -> None:
    asked = rig.command(SetBreaker(name=NAMES[n % len(NAMES)], open=False), "ann").request
    for voter in ("bob", "cem") if asked else ():
        rig.command(Approve(request=asked), voter)


def breach(rig: Rig, n: int) -> None:
    if not n:
        rig.ingest(SecurityBreach(source="telegram", text="forged", kind=BreachSource.BUTTON))


def crash(rig: Rig, _: int) -> None:
    rig.crash()
    rig.snapshot()


def fill(rig: Rig, _: int) -> None:
    for place in places(rig.sent):
        if rig.core.order(place.cid) is not None:
            rig.accept(place)
            rig.fill(place)


ACTS: dict[str, Callable[[Rig, int], object]] = {
    "want": lambda rig, n: rig.want(wants(target(FULL / 1000, f"e{n}"))),
    "quote": lambda rig, _: rig.want(wants(quote(1, 59_000.0, FULL / 1000))),
    "take": lambda rig, _: rig.want(wants(take(rig, f"t{rig.now_ns}", qty=FULL / 1000))),
    "flat": lambda rig, n: rig.want(wants(target(0.0, f"e{n}"))),
    "slow": lambda rig, _: round_trips(rig, 900, orders=100),
    "quick": lambda rig, _: round_trips(rig, 20, orders=100),
    "fail": lambda rig, _: failures(rig, 50, of=100),
    "work": lambda rig, _: failures(rig, 0, of=100),
    "busy": lambda rig, _: load(rig, 950_000, 30),
    "idle": lambda rig, _: load(rig, 100_000, 30),
    "jump": lambda rig, n: price(rig, 600_000 - n * 3_000, 20),
    "force": lambda rig, n: rig.command(SetBreaker(name=NAMES[n % len(NAMES)]), "dot"),
    "release": release,
    "breach": breach,
    "crash": crash,
    "wait": lambda rig, n: rig.wait(30 * (n + 1)),
    "fill": fill,
}
STEPS = st.lists(st.tuples(st.sampled_from(list(ACTS)), st.integers(0, 20)), min_size=5, max_size=40)


def act(rig: Rig, step: Step) -> None:
    """One thing that happens."""
    ACTS[step[0]](rig, step[1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_nothing_is_sent_past_an_open_breaker_and_a_half_open_one_leaves_a_quarter(steps: list[Step]) -> None:
    rig = Rig(MISSION).start()

    def send(intents: Sequence[Intent]) -> None:
        rig.sent.extend(intents)
        check(rig, intents)

    for step in steps:
        rig.kernel.send = send
        act(rig, step)
        for breaker in rig.core.state.matrix.values():
            assert breaker.measure >= 0
            assert not (breaker.state is BreakerState.CLOSED and breaker.until_ns)


def check(rig: Rig, intents: Sequence[Intent]) -> None:
    """What leaves is judged by the state that it leaves in."""
    part = rig.core.size_fraction(rig.slot())
    for intent in intents:
        if isinstance(intent, Place) and intent.adds_risk:
            event(f"sent while {part} is left")
            assert part > 0
            held = abs(rig.held())
            if part < 1 and intent.instrument == BTC.id:
                assert intent.qty <= int(FULL * part) or intent.qty <= held


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_replay_of_it_all_is_the_same_to_the_last_bit(steps: list[Step]) -> None:
    rig = Rig(replace(MISSION, breakers=replace(MISSION.breakers, drawdown=DEFAULTS.drawdown))).start()
    for step in steps:
        if step[0] != "crash":
            act(rig, step)
    state = rig.core.state
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state.effects_hash == state.effects_hash
    for now, then in ((state.matrix, core.state.matrix), (state.samples_of, core.state.samples_of)):
        assert encode(now) == encode(then)
    assert (core.state.slots, core.state.locked, core.parts.scopes) == (
        state.slots,
        state.locked,
        rig.core.parts.scopes,
    )


def test_measures_of_a_driver_are_part_of_the_record() -> None:
    rig = Rig(MISSION).start()
    rig.ingest(Measured(watch=Watch.LATENCY, scope="PAPER", value=9 * 10**8, count=50))
    assert rig.core.state.matrix["latency:PAPER"].measure == Decimal(900)
    assert BreakerAction.REDUCE_ACTIVITY in MISSION.breakers.rule(Watch.LATENCY).actions  # type: ignore[union-attr]
    rig.crash()
    assert rig.core.state.matrix["latency:PAPER"].state is BreakerState.OPEN
