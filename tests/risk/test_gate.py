"""Worst sides: what may happen when everything that may still fill does, in the worst order."""

from __future__ import annotations

from risk.gate import Exposure, adds_risk, check_envelope


def test_a_stop_that_fires_first_makes_a_reduction_a_new_position() -> None:
    held = Exposure(position=10, closing_sells=10)
    assert held.worst(-1) == 0
    assert adds_risk(-1, 5, held)
    assert not adds_risk(-1, 5, Exposure(position=10))


def test_reduce_only_orders_never_pass_zero() -> None:
    assert Exposure(position=-3, closing_buys=10).worst(1) == 0
    assert Exposure(position=-3, closing_buys=2, buys=5).worst(1) == 4


def test_orders_of_the_other_side_never_help() -> None:
    assert Exposure(position=2, buys=3, sells=100, closing_sells=2).worst(1) == 5


def test_quotes_together_stay_in_the_envelope() -> None:
    assert check_envelope(1, 3, Exposure(position=2, buys=5), 10) is None
    veto = check_envelope(1, 4, Exposure(position=2, buys=5), 10)
    assert veto is not None
    assert veto.reason == "ENVELOPE"
    assert check_envelope(1, 4, Exposure(position=2, buys=5), None) is None
