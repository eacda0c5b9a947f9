"""The breaker by itself: every transition, and what never happens whatever comes in which order."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.breakers import BreakerRule
from domain.settings import SECOND_NS
from risk.breaker import (
    BLOCKING,
    Breaker,
    BreakerState,
    ask,
    cool,
    fail,
    force,
    part_of,
    release,
    succeed,
    trip,
)

RULE = BreakerRule()
T = 1_000 * SECOND_NS


def opened(rule: BreakerRule = RULE) -> Breaker:
    breaker = Breaker()
    for n in range(int(rule.threshold)):
        fail(breaker, rule, T + 2 * n * SECOND_NS, "down")
    return breaker


def half_open() -> Breaker:
    breaker = opened()
    assert cool(breaker, breaker.until_ns)
    return breaker


def test_the_third_failure_within_the_window_opens_it_for_the_cool_down() -> None:
    breaker = Breaker()
    assert [fail(breaker, RULE, T + s * SECOND_NS, "down") for s in (0, 20, 40)] == [False, False, True]
    assert breaker.state is BreakerState.OPEN
    assert breaker.until_ns == T + 40 * SECOND_NS + RULE.cool_down_ns
    assert breaker.why == "down"


def test_failures_that_lie_further_apart_than_the_window_do_not_open_it() -> None:
    breaker = Breaker()
    assert not any(fail(breaker, RULE, T + s * SECOND_NS, "down") for s in range(0, 600, 31))
    assert breaker.state is BreakerState.CLOSED


def test_what_fails_at_once_is_one_failure() -> None:
    breaker = Breaker()
    assert not any(fail(breaker, RULE, T + n, "ten orders at once") for n in range(10))
    assert len(breaker.failures) == 1


def test_it_is_tried_again_after_the_cool_down_and_not_before() -> None:
    breaker = opened()
    assert not cool(breaker, breaker.until_ns - 1)
    assert cool(breaker, breaker.until_ns)
    assert breaker.state is BreakerState.HALF_OPEN


def test_half_open_it_closes_after_its_probes_and_opens_at_the_first_failure() -> None:
    breaker = half_open()
    now = breaker.since_ns
    assert [succeed(breaker, RULE, now + s * SECOND_NS) for s in (1, 2, 3)] == [False, False, True]
    assert breaker.state is BreakerState.CLOSED
    breaker = half_open()
    assert fail(breaker, RULE, breaker.since_ns + 1, "again")
    assert breaker.state is BreakerState.OPEN


def test_a_burst_of_answers_is_one_probe() -> None:
    breaker = half_open()
    assert not any(succeed(breaker, RULE, breaker.since_ns + n) for n in range(1, 100))


def test_one_that_does_not_recover_alone_stays_open_until_it_is_released() -> None:
    rule = BreakerRule(recovers=False)
    breaker = opened(rule)
    assert not cool(breaker, T + 10**18)
    assert release(breaker, T + 10**18)
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_person_opens_it_from_any_state_and_nothing_but_people_releases_it() -> None:
    for breaker in (Breaker(), opened(), half_open()):
        assert force(breaker, T, "dot")
        assert not fail(breaker, RULE, T, "down")
        assert not trip(breaker, RULE, T, "loss")
        assert not cool(breaker, T + 10**18)
        assert not succeed(breaker, RULE, T + 10**18)
        assert (breaker.state, breaker.by) == (BreakerState.FORCED_OPEN, "dot")
        assert release(breaker, T)
        assert breaker.state is BreakerState.HALF_OPEN


def test_a_measure_that_is_no_count_trips_it_at_once() -> None:
    breaker = Breaker()
    assert trip(breaker, RULE, T, "5 % lost today")
    assert breaker.state is BreakerState.OPEN


def test_a_question_without_an_answer_in_its_time_is_noticed() -> None:
    breaker = Breaker()
    assert not ask(breaker, T, 2 * SECOND_NS)
    assert not ask(breaker, T + SECOND_NS, 2 * SECOND_NS)
    assert ask(breaker, T + 2 * SECOND_NS, 2 * SECOND_NS)
    succeed(breaker, RULE, T + 3 * SECOND_NS)
    assert not ask(breaker, T + 60 * SECOND_NS, 2 * SECOND_NS)


def test_a_part_is_whole_lots_not_less_than_the_least_and_never_more_than_all() -> None:
    quarter = Decimal("0.25")
    assert part_of(1_000, quarter, lot=10, least=10) == 250
    assert part_of(1_030, quarter, lot=10, least=10) == 250
    assert part_of(100, quarter, lot=10, least=60) == 60
    assert part_of(40, quarter, lot=10, least=60) == 40


STEPS = st.lists(
    st.tuples(st.sampled_from(["fail", "succeed", "cool", "trip", "force", "release"]), st.integers(0, 10**12)),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_only_people_end_what_a_person_began_and_only_time_or_people_end_an_opening(
    steps: list[tuple[str, int]], recovers: bool
) -> None:
    rule = BreakerRule(recovers=recovers, cool_down_ns=60 * SECOND_NS)
    breaker, now = Breaker(), T
    for step, wait_ns in steps:
        now += wait_ns
        before, until_ns = breaker.state, breaker.until_ns
        match step:
            case "fail":
                changed = fail(breaker, rule, now, "down")
            case "succeed":
                changed = succeed(breaker, rule, now)
            case "cool":
                changed = cool(breaker, now)
            case "trip":
                changed = trip(breaker, rule, now, "loss")
            case "force":
                changed = force(breaker, now, "dot")
            case _:
                changed = release(breaker, now)
        assert changed or breaker.state is before
        if before in BLOCKING and breaker.state not in BLOCKING:
            by_time = before is BreakerState.OPEN and step == "cool" and 0 < until_ns <= now
            assert step == "release" or by_time
            assert breaker.state is BreakerState.HALF_OPEN
