"""Which way a change of settings goes: does it let more happen than before? What is not known here, does.

The rules of `risk.rules` say it of themselves. People, votes and breakers always take the quorum, whatever the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from domain.edits import Edit
from risk.rules import RULES, ScopeKind

InForce: TypeAlias = Callable[[str], Decimal | None]
_MORE_IS_LOOSER = {
    "max_position_notional", "max_order_notional", "price_collar", "max_reference_age_ns", "max_exposure",
    "base_position_fraction", "max_position_fraction", "messages_per_window", "large_fraction",
}  # fmt: skip
"""Of these less lets less happen, and takes nothing from what protects. Nothing else is known of either way: a longer
`message_window` or `retry`, or no slippage, would also hold back what closes a position."""
_BY_NUMBER = {"risk", "execution"}
"""Sections whose numbers are judged one by one; every other one takes the quorum."""
_SCOPES = [(kind.value,) for kind in ScopeKind]


def adds_risk(edit: Edit, in_force: InForce) -> bool:
    """Whether people have to agree to this; `in_force` says what holds of a rule for the portfolio now."""
    return any(_leaf_adds_risk(leaf, in_force) for leaf in _leaves(edit))


def _leaves(edit: Edit) -> Iterator[Edit]:
    """A branch of limits that is new or goes, leaf by leaf; anything else as it is."""
    whole = edit.after if edit.is_new else edit.before
    if not (edit.is_new or edit.is_removed) or not isinstance(whole, dict) or edit.path[1:2] not in _SCOPES:
        yield edit
        return
    for name, value in whole.items():
        path, before, after = (*edit.path, name), None if edit.is_new else value, value if edit.is_new else None
        leaf = Edit(path=path, before=before, after=after, is_new=edit.is_new, is_removed=edit.is_removed)
        yield from _leaves(leaf)


def _leaf_adds_risk(edit: Edit, in_force: InForce) -> bool:
    section, name = edit.path[0], edit.path[-1]
    if section not in _BY_NUMBER:
        return True
    before, after = _number(edit.before), _number(edit.after)
    if name in RULES and len(edit.path) > 2 and edit.path[1:2] in _SCOPES:
        if after is None:
            # a wider and looser value, or a default, may hold instead
            return True
        if before is None:
            before = in_force(name)
            if edit.path[1] != ScopeKind.PORTFOLIO:
                # of all scopes the strictest value holds: one more only tightens
                return before is None
        return RULES[name].adds_risk(before, after)
    if before is None or after is None:
        return True
    return name not in _MORE_IS_LOOSER or after > before


def _number(value: Any) -> Decimal | None:  # noqa: ANN401 - builtins of any shape
    """A number in any of the forms that settings have, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, str, float)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
