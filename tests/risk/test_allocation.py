"""Risk parity against published and hand-computed answers, and the cut of correlated strategies."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.allocation import (
    LEAST_OBSERVATIONS,
    Record,
    allocate,
    correlation_cuts,
    equal_risk,
    rebalanced,
    turnover,
)

D = Decimal
LIMIT = D("0.7")


def covariance(deviations: list[float], correlations: list[list[float]]) -> list[list[float]]:
    rows: list[list[float]] = (np.outer(deviations, deviations) * np.array(correlations)).tolist()
    return rows


def record(name: str, returns: np.ndarray) -> Record:
    return Record(id=name, returns=returns.tolist())


def risk_parts(matrix: list[list[float]], weights: list[float]) -> list[float]:
    """What each weight contributes to the variance of the whole, as parts of 1."""
    parts = np.array(weights) * (np.array(matrix) @ np.array(weights))
    found: list[float] = (parts / parts.sum()).tolist()
    return found


def noise(seed: int, n: int = 400, size: float = 0.01) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, n)


def test_the_example_of_maillard_roncalli_and_teiletche() -> None:
    corr = [[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]]
    weights = equal_risk(covariance([0.1, 0.2, 0.3, 0.4], corr))
    assert [round(w, 3) for w in weights] == [0.384, 0.192, 0.243, 0.182]


def test_two_strategies_share_by_the_inverse_of_their_deviations_whatever_their_correlation() -> None:
    for rho in (-0.9, 0.0, 0.5, 0.99):
        assert equal_risk(covariance([0.1, 0.3], [[1, rho], [rho, 1]])) == pytest.approx([0.75, 0.25])


@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=8), st.floats(-0.12, 0.99), st.integers(0, 10**6))
def test_everybody_contributes_the_same_risk(deviations: list[float], rho: float, seed: int) -> None:
    size = len(deviations)
    loadings = np.random.default_rng(seed).normal(0, 1, (size, size + 2))
    corr = np.corrcoef(loadings)
    mixed = 0.5 * corr + 0.5 * (np.full((size, size), max(rho, 0)) + (1 - max(rho, 0)) * np.eye(size))
    matrix = covariance(deviations, mixed.tolist())
    weights = equal_risk(matrix)
    assert sum(weights) == pytest.approx(1)
    assert all(w > 0 for w in weights)
    assert risk_parts(matrix, weights) == pytest.approx([1 / size] * size, abs=1e-6)


def test_shares_add_up_to_at_most_all_of_the_equity() -> None:
    shares = allocate([record(f"s{i}", noise(i, size=0.001 * (i + 1))) for i in range(7)])
    assert D("0.999") < sum(shares.values()) <= 1
    assert all(a > b for a, b in pairwise(shares.values())), "the wilder, the less"


def test_who_is_not_known_yet_has_an_equal_share() -> None:
    records = [
        record("old", noise(1)),
        record("wild", noise(2, size=0.03)),
        record("new", noise(3, n=LEAST_OBSERVATIONS - 1)),
    ]
    shares = allocate(records)
    assert shares["new"] == D("0.3333")
    assert shares["old"] / shares["wild"] == pytest.approx(D(3), rel=D("0.15"))
    idle = [*records[:2], record("idle", np.zeros(500))]
    assert allocate(idle)["idle"] == D("0.3333")
    assert allocate(records[:1]) == {"old": 1}
    assert allocate([]) == {}


def test_who_hardly_traded_is_not_without_risk() -> None:
    once = np.zeros(400)
    once[-1] = 1e-9
    shares = allocate([record("once", once), record("busy", noise(1))])
    assert shares["once"] / shares["busy"] == pytest.approx(D(10), rel=D("0.01"))


def test_small_changes_are_not_worth_a_trade() -> None:
    old = {"a": D("0.50"), "b": D("0.50")}
    assert turnover(old, {"a": D("0.56"), "b": D("0.44")}) == D("0.06")
    assert rebalanced(old, {"a": D("0.54"), "b": D("0.46")}, D("0.05")) == old
    assert rebalanced(old, {"a": D("0.56"), "b": D("0.44")}, D("0.05")) == {"a": D("0.56"), "b": D("0.44")}
    assert rebalanced(old, {"a": D(1)}, D("0.9")) == {"a": D(1)}, "b is gone"


def like(base: np.ndarray, rho: float, seed: int) -> np.ndarray:
    """Returns with exactly this correlation to the base."""
    other = noise(seed, len(base))
    x, y = base - base.mean(), other - other.mean()
    y -= x * (x @ y) / (x @ x)
    return rho * x / x.std() * 0.01 + (1 - rho**2) ** 0.5 * y / y.std() * 0.01


def cuts(*records: Record, limit: Decimal = LIMIT) -> dict[str, Decimal]:
    return correlation_cuts(records, {r.id: limit for r in records})


def test_of_two_that_do_the_same_the_one_that_earns_less_is_cut() -> None:
    base = noise(1)
    first, second = record("a", base - base.mean() - 0.001), record("b", like(base, 0.85, 2))
    assert cuts(first, second) == {"a": D("0.5")}, "(1 - 0.85) / (1 - 0.7)"
    assert cuts(second, first) == {"a": D("0.5")}


def test_of_equals_the_one_that_was_loaded_later_is_cut() -> None:
    base = noise(1)
    assert cuts(record("a", base), record("b", base)) == {"b": D("0.25")}, "a copy keeps a quarter"


def test_below_the_limit_nobody_is_cut() -> None:
    base = noise(1)
    assert cuts(record("a", base), record("b", like(base, 0.69, 2))) == {}
    assert cuts(record("a", base), record("b", -base)) == {}, "the opposite is a hedge"
    assert cuts(record("a", base), record("b", base), limit=D(1)) == {}


def test_the_stricter_limit_of_a_pair_holds_and_few_hours_prove_nothing() -> None:
    base = noise(1)
    pair = record("a", base), record("b", like(base, 0.6, 2))
    assert correlation_cuts(pair, {"a": D("0.7"), "b": D("0.5")}) != {}
    assert correlation_cuts(pair, {"a": D("0.7")}) == {}
    few = record("a", base[:99]), record("b", base[:99])
    assert cuts(*few) == {}
