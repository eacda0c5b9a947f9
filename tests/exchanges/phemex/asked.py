"""What the local Phemex makes of the texts in a request, and its words for what our paper exchange refuses."""

from decimal import InvalidOperation
from typing import Any

from domain.errors import Unrepresentable
from domain.events import Rejected
from domain.instrument import Instrument
from domain.order import Cancel
from domain.verdict import Reason
from tests.exchanges.phemex.wire import BAD_INPUT, Rec, RefusedError

OURS = "PHEMEX:room"
WORDS = {
    Reason.MIN_NOTIONAL: "TE_ORDER_VALUE_TOO_SMALL",
    Reason.MIN_QTY: "TE_QTY_TOO_SMALL",
    "insufficient margin": "TE_NO_ENOUGH_AVAILABLE_BALANCE",
    "reduce-only": "TE_REDUCE_ONLY_ABORT",
    "quantity": "TE_QTY_TOO_LARGE",
}
PAGE = 20
"""Rows of a page where the question does not say how many."""


def page(rows: list[dict[str, Any]], asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The newest first, as many as were asked for; 200 at most."""
    offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", PAGE))
    if limit > 200:
        raise RefusedError(BAD_INPUT)
    return rows[::-1][offset : offset + limit]


def cancel_of(rec: Rec) -> Cancel:
    return Cancel(cid=rec.cid, account=OURS, instrument=rec.instrument.id)


def price_of(i: Instrument, text: str | None) -> int:
    """An integer price; 0 for none."""
    try:
        return i.price(text or "0")
    except (Unrepresentable, InvalidOperation):
        raise RefusedError(BAD_INPUT) from None


def qty_of(i: Instrument, text: str | None) -> int:
    try:
        qty = i.qty(text or "0")
    except (Unrepresentable, InvalidOperation):
        raise RefusedError(BAD_INPUT) from None
    if qty <= 0:
        raise RefusedError("TE_QTY_TOO_SMALL")
    return qty


def words_of(refused: Rejected) -> str:
    found = (words for key, words in WORDS.items() if refused.reason == key or refused.text.startswith(str(key)))
    return next(found, BAD_INPUT)
