"""What is known about kinds of alerts: what ends them, what hides them, and which nobody may miss."""

from __future__ import annotations

from typing import Final

FEED: Final = ("feed_stale", "feed_gap", "feed_lag", "feed_down")
_BREAKER: Final = ("breaker_open", "breaker_half_open", "breaker_late", "risk_manager", "shed")
_DIFFERS: Final = ("position_mismatch", "foreign_order", "foreign_position")

ENDS: Final[dict[str, tuple[str, ...]]] = {
    "breaker_closed": _BREAKER,
    "breaker_unwatched": _BREAKER,
    "breaker_done": ("breaker_late",),
    "venue_up": ("venue_down",),
    "feed_live": FEED,
    "failback": ("failover",),
    "reviewed": ("break_glass", "review_due"),
    "incident_over": ("incident",),
    "signer_back": ("signer_lost",),
}
"""A kind of news, and the kinds of alerts with labels that agree which are over by it."""

ENDS_ITSELF: Final = frozenset({"actions_left", "risk_level", "venue_trading"})
"""Said again as an info, it is over."""

STATES: Final = frozenset({*ENDS_ITSELF, "trading"})
"""As bad as the last that was said: better is better, although it is not over."""

WITH_TRADING: Final = ("trading", "overflow", "disk_full", "journal_lost", "watchdog")
"""Over when people let everything trade again."""

WITH_VENUE: Final = ("venue_trading", *_DIFFERS)
"""Over when people let that venue trade again."""

WITH_STRATEGY: Final = ("quarantine", "warmup", "shed")
"""Over when that strategy runs again, or is gone."""

LASTING: Final = frozenset(
    {kind for kinds in ENDS.values() for kind in kinds} | ENDS_ITSELF | {*WITH_TRADING, *WITH_VENUE, *WITH_STRATEGY}
)
"""Alerts that stand until something ends them; any other is over once it is told and nothing more comes."""

URGENT: Final = frozenset({"incident", "break_glass", "review_due", "code_lock"})
"""Never held back: told to every alert chat and to each person alone who can do something about it."""

NOT_TOLD: Final = frozenset(
    {"override", "alert_ack", "alert_mute", "alert_unmute", "alert_route", "incident_taken", "vault_access"}
)
"""Told by a card that is kept up to date, or by the answer to a command."""

HIDDEN_BY_OUTAGE: Final = frozenset({*FEED, "breaker_open", "breaker_half_open", "venue_trading"})
"""What follows from a venue's being down, and says nothing new."""

_WORDS: Final = {
    "venue_down": "Exchange down",
    "feed_stale": "Stale market data",
    "feed_gap": "Gap in market data",
    "feed_lag": "Market data lags",
    "feed_down": "No market data",
    "breaker_open": "Breaker open",
    "breaker_late": "Breaker not finished",
    "trading": "Trading state",
    "position_mismatch": "Position differs",
    "unexplained_fill": "Unexplained fill",
    "channel_down": "Channel down",
    "second_bot": "Second bot on this token",
    "unreadable": "A chat message was unreadable",
    "unreachable": "Somebody cannot be reached",
    "dead_man": "Dead-man's switch fired",
    "signer_lost": "No signatures: the signer is gone",
    "signer_refused": "The signer has refused a request",
    "key_expires": "A key expires",
    "key_old": "A key is old",
    "key_turn": "A key is exchanged",
    "vault_changed": "The vault was changed",
    "vault_log": "The vault's access log is not as it was",
}


def words_of(kind: str) -> str:
    """A kind as a title."""
    return _WORDS.get(kind) or (kind[:1].upper() + kind[1:]).replace("_", " ")
