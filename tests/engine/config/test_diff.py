"""What changed, for people who must approve it."""

from decimal import Decimal

import msgspec
import pytest

from domain.settings import Limits, RoleName
from engine.config import diff, load_config


def test_equal_settings_have_no_difference():
    assert diff(load_config(None).to_settings(), load_config(None).to_settings()) == []


def test_a_difference_names_the_key_the_old_and_the_new_value():
    old = load_config(None).to_settings()
    replace = msgspec.structs.replace
    limits = Limits(max_position_notional=Decimal(5), max_order_notional=Decimal(1))
    risk = replace(old.risk, max_exposure=Decimal(7), limits={"BTC-USDC-PERP.PAPER": limits})
    _tina, rosa, adam = old.persons
    persons = (adam, replace(rosa, telegram_user_id=5))
    maker, turtle = old.strategies
    maker = replace(maker, params={**maker.params, "qty": 0.5})
    new = replace(old, risk=risk, persons=persons, strategies=(turtle, maker))
    lines = diff(old, new)
    assert "risk.max_exposure: 50000 -> 7" in lines
    assert "persons[rosa].telegram_user_id: 0 -> 5" in lines
    assert "strategies[maker-btc].params.qty: 0.01 -> 0.5" in lines
    assert any(line.startswith("persons[tina]: removed (was (id tina, name Tina") for line in lines)
    assert any(line.startswith("risk.limits.BTC-USDC-PERP.PAPER: added (") for line in lines)
    assert len(lines) == 5


def test_the_first_and_the_last_of_a_list_are_named():
    old = load_config(None).to_settings()
    none = msgspec.structs.replace(old, strategies=())
    assert all("removed" in line for line in diff(old, none))
    assert [line.partition(":")[0] for line in diff(none, old)] == ["strategies[maker-btc]", "strategies[turtle-eth]"]


def test_roles_and_durations_are_written_as_in_the_file():
    old = load_config(None).to_settings()
    replace = msgspec.structs.replace
    tina, rosa, adam = old.persons
    approvals = replace(old.approvals, order_ttl_ns=90_000_000_000, approver_role=RoleName.ADMIN)
    lines = diff(old, replace(old, persons=(replace(tina, role=RoleName.RISK), rosa, adam), approvals=approvals))
    assert lines == [
        "approvals.approver_role: risk -> admin",
        "approvals.order_ttl: 2m -> 90s",
        "persons[tina].role: trader -> risk",
    ]
    assert any("role trader" in line for line in diff(old, replace(old, persons=(rosa, adam))))


@pytest.mark.parametrize("value", ["lead", None, 1.5, "5m", {"id": "x", "role": "lead"}, [{"id": None}], 1_000_000_000])
@pytest.mark.parametrize("name", ["role", "approver_role", "x_ns", "id"])
def test_parameters_of_strategies_are_shown_as_they_are_whatever_they_are_called(name, value):
    old = load_config(None).to_settings()
    replace = msgspec.structs.replace
    maker, turtle = old.strategies
    with_it = replace(old, strategies=(replace(maker, params={**maker.params, name: value}), turtle))
    (line,) = diff(old, with_it)
    assert line.startswith(f"strategies[maker-btc].params.{name}: added ")
    other = replace(old, strategies=(replace(maker, params={**maker.params, name: "other"}), turtle))
    (line,) = diff(with_it, other)
    assert line.startswith(f"strategies[maker-btc].params.{name}: ")
    assert line.endswith(" -> other")
    assert diff(old, replace(old, strategies=(with_it.strategies[0],)))


def test_a_difference_that_cannot_be_told_fails_nobody():
    old = load_config(None).to_settings()
    replace = msgspec.structs.replace
    maker, turtle = old.strategies
    odd = [
        replace(old, strategies=(replace(maker, params={"levels": levels}), turtle))
        for levels in ({1: 2, "a": 3}, {1: 2, "b": 3})
    ]
    (line,) = diff(*odd)
    assert line.startswith("they differ")
