"""A person's order that is refused leaves nothing behind that a later one would build on."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain.commands import ManualTarget
from domain.settings import ApprovalSettings, Limits
from domain.verdict import Reason
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, places

SMALL = Limits(max_position_notional=Decimal(12_000), max_order_notional=Decimal(7_000))


def order(qty: str) -> ManualTarget:
    return ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal(qty))


def manual_rig(approvals: ApprovalSettings) -> Rig:
    risk = replace(SETTINGS.risk, default_limits=SMALL, limits={})
    rig = Rig(replace(SETTINGS, approvals=approvals, risk=risk)).start(load=False)
    rig.touch()
    return rig


def test_after_a_refused_buy_a_sell_sells() -> None:
    rig = manual_rig(ApprovalSettings(enabled=False))
    assert rig.command(order("0.15"), "dot").reason is Reason.NOTIONAL_LIMIT
    assert rig.command(order("-0.1"), "dot").ok
    assert [(place.side, place.qty) for place in places(rig.sent)] == [(-1, 100)]


def test_nobody_is_asked_to_vote_for_what_a_limit_forbids() -> None:
    rig = manual_rig(ApprovalSettings(large_fraction=Decimal("0.00001")))
    assert rig.command(order("9.9"), "dot").reason is Reason.NOTIONAL_LIMIT
    assert not rig.core.state.requests


def test_a_second_order_does_not_replace_one_that_waits() -> None:
    rig = manual_rig(ApprovalSettings(large_fraction=Decimal("0.00001")))
    waiting = rig.command(order("0.1"), "dot")
    assert waiting.ok
    assert rig.command(order("-0.1"), "dot").reason is Reason.WRONG_STATE
    assert [r.status.value for r in rig.core.state.requests.values()] == ["pending"]
