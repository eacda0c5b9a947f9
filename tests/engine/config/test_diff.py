"""What changed, for people who must approve it."""

from decimal import Decimal

import msgspec

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
