"""What is subscribed at Hyperliquid, and what the venue has confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, json

from domain.errors import ConfigError
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from exchanges.hyperliquid.config import MAX_SUBSCRIPTIONS
from exchanges.hyperliquid.wire import INTERVAL_NAMES, CoinCodec, Subscription

_KINDS = {FeedKind.BBO: "bbo", FeedKind.BOOK: "l2Book", FeedKind.TRADE: "trades", FeedKind.BAR: "candle"}


class Request(Struct, frozen=True):
    """The message that subscribes."""

    method: str
    subscription: Subscription


def request(subscription: Subscription) -> bytes:
    """The frame that asks for a subscription."""
    return json.encode(Request("subscribe", subscription))


class Subscriptions:
    """Everything asked for so far. The mark price (activeAssetCtx) comes with every coin."""

    def __init__(self, codecs: Mapping[InstrumentId, CoinCodec]) -> None:
        self._codecs = codecs
        self._all: dict[Subscription, None] = {}
        self._open: dict[Subscription, None] = {}

    def codec(self, feed: Feed) -> CoinCodec:
        """The codec for a feed. Raises `ConfigError` for an instrument or interval that is not there."""
        codec = self._codecs.get(feed.instrument)
        if codec is None:
            raise ConfigError(f"the Hyperliquid feed was not given {feed.instrument}; it has {', '.join(self._codecs)}")
        if feed.kind is FeedKind.BAR and feed.interval_ns not in INTERVAL_NAMES:
            names = ", ".join(INTERVAL_NAMES.values())
            raise ConfigError(f"Hyperliquid has no candles of {feed.interval_ns / 1e9:g} s; it has {names}")
        return codec

    def add(self, feeds: Iterable[Feed]) -> list[Subscription]:
        """Remember feeds; returns what is new. Raises `ConfigError` as `codec` does, and beyond the venue's limit."""
        wanted: dict[Subscription, None] = {}
        for feed in feeds:
            coin = self.codec(feed).coin
            interval = INTERVAL_NAMES[feed.interval_ns] if feed.kind is FeedKind.BAR else ""
            wanted[Subscription(_KINDS[feed.kind], coin, interval)] = None
            wanted[Subscription("activeAssetCtx", coin)] = None
        added = [subscription for subscription in wanted if subscription not in self._all]
        if len(self._all) + len(added) > MAX_SUBSCRIPTIONS:
            raise ConfigError(f"Hyperliquid allows {MAX_SUBSCRIPTIONS} subscriptions; ask for fewer instruments")
        self._all.update(dict.fromkeys(added))
        return added

    def reopen(self) -> Sequence[Subscription]:
        """Everything, to be sent on a new connection; nothing is confirmed yet."""
        self._open = dict(self._all)
        return list(self._all)

    def sent(self, subscriptions: Iterable[Subscription]) -> None:
        """These wait for the venue's answer."""
        self._open.update(dict.fromkeys(subscriptions))

    def confirm(self, subscription: Subscription) -> None:
        """The venue has answered."""
        self._open.pop(subscription, None)

    def waiting(self) -> list[str]:
        """What the venue has not confirmed, in words."""
        return [" ".join(filter(None, (each.type, each.coin, each.interval))) for each in self._open]
