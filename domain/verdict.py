"""Refusal is a value with a coded reason, and the reason reaches the person in words.

The table in `docs/reasons.md` is generated from `Reason`.
"""

from __future__ import annotations

import enum
from typing import Self, TypeAlias

from msgspec import Struct


class Reason(enum.StrEnum):
    """Why risk, the gate or the desk said no; the value is the code, `.words` the sentence."""

    words: str

    def __new__(cls, code: str, words: str) -> Self:
        """Keep the sentence beside the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member

    POSITION_LIMIT = (
        "POSITION_LIMIT",
        "the position, with everything that may still fill, would pass the position limit",
    )
    NOTIONAL_LIMIT = "NOTIONAL_LIMIT", "the order is worth more than one order may be"
    EXPOSURE_LIMIT = (
        "EXPOSURE_LIMIT",
        "total exposure of the account, venue, strategy or portfolio would pass its limit",
    )
    LIMIT_MISSING = "LIMIT_MISSING", "no limit is configured for this instrument, and a missing limit refuses"
    PRICE_COLLAR = "PRICE_COLLAR", "the price is too far from the reference price"
    PRICE_UNKNOWN = "PRICE_UNKNOWN", "there is no fresh reference price"
    MESSAGE_RATE = "MESSAGE_RATE", "too many messages in the window; cancels and reductions keep their reserve"
    DUPLICATE = "DUPLICATE", "an order with this id exists already"
    SELF_MATCH = "SELF_MATCH", "it would trade against our own resting order"
    HALTED = "HALTED", "trading is halted; only cancels and reductions pass"
    REDUCING = "REDUCING", "trading is reducing; nothing that adds risk passes"
    NOT_RECONCILED = "NOT_RECONCILED", "the account has not been reconciled with the venue yet"
    MIN_NOTIONAL = "MIN_NOTIONAL", "the order is smaller than the venue accepts"
    MIN_QTY = "MIN_QTY", "the quantity is smaller than one lot or the venue's minimum"
    BAD_NUMBER = "BAD_NUMBER", "a price or quantity is not a usable number"
    ENTRY_CONSUMED = "ENTRY_CONSUMED", "a stop or take-profit of this entry has fired; it may only reduce"
    LOOSER_STOP = "LOOSER_STOP", "a stop only ever tightens while it guards a position"
    HELD = "HELD", "a person holds this slot"
    CAPPED = "CAPPED", "a person capped this instrument"
    LEGGING_CAP = "LEGGING_CAP", "the unhedged part of the lead leg is at its cap"
    NEEDS_APPROVAL = "NEEDS_APPROVAL", "it is large and waits for another person's approval"
    MOVED = "MOVED", "what is in force has changed since the vote was asked for; ask again"
    DECLINED = "DECLINED", "its request was denied or expired; a new entry may ask again"
    ENVELOPE = "ENVELOPE", "it was clipped to the strategy's approved envelope"
    EXPIRED = "EXPIRED", "its time had passed"
    NOT_OWNER = "NOT_OWNER", "another strategy owns this account and instrument"
    QUARANTINED = "QUARANTINED", "the strategy failed and is quarantined; its protections stay"
    STALE_EPOCH = "STALE_EPOCH", "a newer run of the engine has taken over"
    STALE_FEED = "STALE_FEED", "market data of this instrument is stale"
    BREAKER_OPEN = "BREAKER_OPEN", "a breaker above this order is open; only cancels and reductions pass"
    FAILED_OVER = "FAILED_OVER", "new risk goes to the other venue of this fail-over pair"
    UNKNOWN_PERSON = "UNKNOWN_PERSON", "this account is not linked to any person here"
    ROLE = "ROLE", "your role does not allow this"
    OWN_REQUEST = "OWN_REQUEST", "you asked for it, so your own vote does not count"
    ALREADY_VOTED = "ALREADY_VOTED", "you have voted on this already"
    NOT_PENDING = "NOT_PENDING", "there is no such request waiting; it may be decided or expired"
    QUORUM_UNREACHABLE = "QUORUM_UNREACHABLE", "there are not enough persons with the role to approve this"
    TOO_OLD = "TOO_OLD", "the command was sent too long ago to be carried out"
    REPEATED = "REPEATED", "this command was carried out already"
    NO_SUCH = "NO_SUCH", "there is nothing with that name"
    WRONG_STATE = "WRONG_STATE", "that cannot be done in its present state"
    BAD_VALUE = "BAD_VALUE", "a value is not acceptable"
    WITHDRAWN = "WITHDRAWN", "it was cancelled before it left"
    VENUE = "VENUE", "the venue refused it"
    TOO_MANY_OPEN = "TOO_MANY_OPEN", "too many requests of the same person or strategy wait already"
    COOLING_DOWN = "COOLING_DOWN", "a request was denied a moment ago; approvers are not asked again at once"
    TOO_NEW = "TOO_NEW", "the role or the chat link is new, and new ones wait before they vote"
    CODE_NEEDED = (
        "CODE_NEEDED",
        "it needs a one-time code: /approve ID CODE; who has no authenticator gets one with ./moondev totp enrol",
    )
    CODE_WRONG = "CODE_WRONG", "the one-time code is wrong or over"
    CODE_USED = "CODE_USED", "the one-time code was used already; wait for the next one"
    LOCKED = "LOCKED", "too many wrong codes; your votes are locked for a while"
    DIGEST = "DIGEST", "it is not what the vote was meant for"
    HARD_LIMIT = "HARD_LIMIT", "this limit is hard: nobody can override it"
    REASON_MISSING = "REASON_MISSING", "a reason is needed, for the record"
    INCIDENT = "INCIDENT", "an incident is open, and its steps come first"
    ASSET_LIMIT = "ASSET_LIMIT", "too much of the equity would stand in one asset, over all venues and accounts"
    LEVERAGE = "LEVERAGE", "the positions would be worth too many times the equity"
    LIQUIDATION = "LIQUIDATION", "the venue would liquidate the account after too small a move"
    LIQUIDITY = "LIQUIDITY", "the book is too thin"
    OPEN_POSITIONS = "OPEN_POSITIONS", "there would be too many open positions"
    POSITION_AGE = "POSITION_AGE", "the position is too old to be added to"
    LOSING_STREAK = "LOSING_STREAK", "the strategy has lost too many times in a row today"
    DRAWDOWN = "DRAWDOWN", "the equity has fallen too far from its highest"
    STRATEGY_DRAWDOWN = "STRATEGY_DRAWDOWN", "the strategy's profit has fallen too far from its highest"
    DAILY_LOSS = "DAILY_LOSS", "too much was lost today"
    LOCKED_DOWN = (
        "LOCKED_DOWN",
        "locked down after a breach of security; only cancels and reductions pass",
    )
    PRICE_BAND = (
        "PRICE_BAND",
        "the price has leapt out of its band; it may be wrong, so nothing that adds risk goes by it",
    )
    NEEDS_PERSON = (
        "NEEDS_PERSON",
        "a token is a program's: votes and one-time codes are a person's own affair, in chat or in the dashboard",
    )
    LEG_OUT = (
        "LEG_OUT",
        "another venue of the strategy cannot be traded: what is bought here could not be hedged there",
    )


REASONS: dict[str, Reason] = {reason.value: reason for reason in Reason}
"""Reason by code."""


class Allow(Struct, frozen=True, tag="allow", gc=False):
    """Nothing objects."""


class Clip(Struct, frozen=True, tag="clip", gc=False):
    """Allowed up to `qty` (signed, integer scale), for `reason`."""

    qty: int
    reason: Reason


class Park(Struct, frozen=True, tag="park", gc=False):
    """Waits for approval; the last approved target stays in force. `notional` is the added exposure (text)."""

    reason: Reason
    notional: str


class Veto(Struct, frozen=True, tag="veto", gc=False):
    """Refused; `detail` has the figures."""

    reason: Reason
    detail: str = ""


Verdict: TypeAlias = Allow | Clip | Park | Veto
ALLOW = Allow()
