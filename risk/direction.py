"""Which way a change of settings goes: does it let more happen than before? What is not known here, does.

The rules of `risk.rules` say it of themselves. People, votes and breakers always take the quorum, whatever the change.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from domain.edits import Edit
from risk.rules import RULES, ScopeKind

_MORE_IS_LOOSER = {
    "max_position_notional", "max_order_notional", "price_collar", "max_reference_age_ns", "max_exposure",
    "base_position_fraction", "max_position_fraction", "messages_per_window", "slippage", "large_fraction",
}  # fmt: skip
_MORE_IS_STRICTER = {"message_window_ns", "retry_ns"}
_BY_NUMBER = {"risk", "execution"}
"""Sections whose numbers are judged one by one; every other one takes the quorum."""


def adds_risk(edit: Edit) -> bool:
    """Whether people have to agree to this."""
    section, name = edit.path[0], edit.path[-1]
    if section not in _BY_NUMBER:
        return True
    before, after = _number(edit.before), _number(edit.after)
    if name in RULES and len(edit.path) > 2 and edit.path[1] in list(ScopeKind):
        # what a narrower scope says no more, a wider and looser one may say instead
        is_given_back = after is None and edit.path[1] != ScopeKind.PORTFOLIO
        return is_given_back or RULES[name].adds_risk(before, after)
    if before is None or after is None:
        return True
    if name in _MORE_IS_LOOSER:
        return after > before
    return name not in _MORE_IS_STRICTER or after < before


def _number(value: Any) -> Decimal | None:  # noqa: ANN401 - builtins of any shape
    """A number in any of the forms that settings have, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, str, float)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
