"""Hyperliquid's public REST side: candles for warm-up, the contracts, and whether it can be reached at all.

One address, `POST /info`; every question is a JSON object with a `type`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from domain.errors import DataError, Unrepresentable, VenueError
from domain.instrument import Instrument
from domain.market import Bar
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.limits import Limits
from exchanges.hyperliquid.wire import INTERVAL_NAMES, MS, CoinCodec, WireCandle
from exchanges.shared.redial import http_words
from exchanges.shared.trouble import READS, Tell, judge, untold

MAX_CANDLES = 5_000
"""The venue keeps this many per coin and interval."""
TRIES = 3
MAKER_FEE, TAKER_FEE = Decimal("0.00015"), Decimal("0.00045")
"""Of the lowest tier; an account's own rates come with its user fees."""
MAX_BODY_BYTES = 16 * 2**20
_RETRY = frozenset({429, 500, 502, 503, 504})


class MetaAsset(Struct):
    """One contract of `meta`."""

    name: str
    size_decimals: int = msgspec.field(name="szDecimals")
    max_leverage: int = msgspec.field(default=1, name="maxLeverage")
    only_isolated: bool | None = msgspec.field(default=False, name="onlyIsolated")
    is_delisted: bool | None = msgspec.field(default=False, name="isDelisted")


class Meta(Struct):
    """The perpetual universe; an asset's place in it is its number."""

    universe: list[MetaAsset]


_candles = msgspec.json.Decoder(list[WireCandle])
_meta = msgspec.json.Decoder(Meta)


def instrument_of(asset: MetaAsset, venue: str = "HYPERLIQUID") -> Instrument:
    """The contract's rules: five significant figures, 6 - szDecimals decimals, 10 USDC at least, hourly funding."""
    initial = (Decimal(1) / max(1, asset.max_leverage)).quantize(Decimal("0.0001"))
    return Instrument(
        id=f"{asset.name}-USDC-PERP.{venue}",
        venue_symbol=asset.name,
        price_decimals=max(0, 6 - asset.size_decimals),
        qty_decimals=asset.size_decimals,
        max_significant=5,
        min_notional=Decimal(10),
        maker_fee=MAKER_FEE,
        taker_fee=TAKER_FEE,
        initial_margin=initial,
        maintenance_margin=initial / 2,
        aliases=(asset.name,),
    )


class InfoClient:
    """Asks `POST /info` on a session that somebody else closes; `jitter` gives random numbers in [0, 1).

    With `limits` questions wait for room in them. `tell` hears of the venue's troubles.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: HyperliquidConfig,
        jitter: Callable[[], float],
        limits: Limits | None = None,
        tell: Tell = untold,
    ) -> None:
        self._session = session
        self._config = config
        self._jitter = jitter
        self._limits = limits
        self._tell = tell

    async def ask(self, question: dict[str, Any]) -> bytes:
        """The answer's body. Busy answers and lost connections are tried again; raises `VenueError` after that."""
        what = str(question.get("type", ""))
        problem, is_answered = "", False
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._config.backoff_s * 2**attempt * (0.5 + self._jitter()))
            if self._limits is not None:
                await self._limits.enter_question(what)
            try:
                timeout = aiohttp.ClientTimeout(total=self._config.request_timeout_s)
                async with self._session.post(f"{self._config.api_url}/info", json=question, timeout=timeout) as answer:
                    body = await _whole(answer)
                    status = answer.status
                    if self._limits is not None:
                        self._limits.answered_question(what, status, answer.headers, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem, is_answered = str(error) or type(error).__name__, False
                continue
            is_answered = True
            judge(self._tell, READS, status, body)
            if status == 200 and len(body) <= MAX_BODY_BYTES:
                return body
            problem = http_words(status) if status != 200 else "an answer that is too large"
            if status not in _RETRY:
                break
        if not is_answered:
            self._tell(READS, f"no answer to {what}: {problem}")
        raise VenueError(f"Hyperliquid did not answer {what}: {problem} (asked {self._config.api_url}/info)")

    async def instruments(self) -> list[Instrument]:
        """Every contract that is not delisted. Raises `VenueError`."""
        try:
            return [instrument_of(asset) for asset in (await self.meta()).universe if not asset.is_delisted]
        except Unrepresentable as error:
            raise VenueError(f"Hyperliquid's meta is not understood: {error}") from error

    async def meta(self) -> Meta:
        """The contracts as the venue numbers them. Raises `VenueError`."""
        body = await self.ask({"type": "meta"})
        try:
            return _meta.decode(body)
        except msgspec.DecodeError as error:
            raise VenueError(f"Hyperliquid's meta is not understood: {error}") from error

    async def bars(self, codec: CoinCodec, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        """Finished bars that open at `start_ns` or later and close by `end_ns`, oldest first, each once.

        Raises `VenueError`. Holes are left as they are.
        """
        name = INTERVAL_NAMES[interval_ns]
        question = {"coin": codec.coin, "interval": name, "startTime": start_ns // MS, "endTime": end_ns // MS}
        body = await self.ask({"type": "candleSnapshot", "req": question})
        try:
            bars = [codec.bar(candle, 0, history=True) for candle in _candles.decode(body)]
        except (msgspec.DecodeError, DataError, Unrepresentable) as error:
            raise VenueError(f"Hyperliquid's candles of {codec.coin} are not understood: {error}") from error
        wanted = {
            bar.open_ts_ns: bar
            for bar in bars
            if bar.open_ts_ns >= start_ns and bar.venue_ts_ns <= end_ns and bar.interval_ns == interval_ns
        }
        return [wanted[opened] for opened in sorted(wanted)]


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """The body, which comes in pieces, to its end; a little more than `MAX_BODY_BYTES` of one that is too large."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            break
    return bytes(body)


async def reachable(config: HyperliquidConfig, timeout_s: float = 5.0) -> str:
    """Why the venue cannot be used from here; empty when it can."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    question = {"type": "l2Book", "coin": "BTC"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{config.api_url}/info", json=question) as answer,
        ):
            await answer.content.read(MAX_BODY_BYTES)
            if answer.status != 200:
                return f"{config.api_url} answers HTTP {answer.status}"
            async with session.ws_connect(config.ws_url):
                return ""
    except TimeoutError:
        return f"{config.api_url} did not answer within {timeout_s:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return f"{config.api_url} or {config.ws_url} cannot be reached: {error}"
