"""Public questions over REST: paced, patient with a busy venue, and in plain bytes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import TypeVar

import aiohttp
import msgspec

from domain.errors import DataError, VenueError
from exchanges.shared.meters import Priority
from exchanges.shared.pace import Pace
from exchanges.viaccxt.limits import Limits

TRIES = 3
MAX_BODY_BYTES = 64 * 2**20
_RETRY = frozenset({429, 500, 502, 503, 504})
T = TypeVar("T")


class PublicReader:
    """Asks `base_url`, on a session of its own, as `pace` and `limits` let it."""

    def __init__(
        self,
        venue: str,
        base_url: str,
        pace: Pace | None = None,
        timeout_s: float = 10.0,
        backoff_s: float = 0.5,
        jitter: Callable[[], float] = random.random,
        limits: Limits | None = None,
    ) -> None:
        self._venue = venue
        self._base_url = base_url
        self._pace = pace
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._backoff_s = backoff_s
        self._jitter = jitter
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, path: str, params: Mapping[str, str | int] | None = None, weight: int = 1) -> bytes:
        """An answer's body. A busy venue and a lost connection are tried again; raises `VenueError` after that."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._backoff_s * 2**attempt * (0.5 + self._jitter()))
            if self._pace is not None:
                await self._pace.spend(weight)
            costs = self._limits.costs("", weight, 0) if self._limits is not None else ()
            if self._limits is not None:
                await self._limits.enter(Priority.READ, costs, path)
            try:
                async with self._session.get(
                    f"{self._base_url}{path}", params=params, timeout=self._timeout
                ) as answer:  # fmt: skip
                    body, status = await answer.read(), answer.status
                    if self._limits is not None:
                        self._limits.answered(costs, status, answer.headers)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = str(error) or type(error).__name__
                continue
            if status == 200 and len(body) <= MAX_BODY_BYTES:
                return body
            problem = f"HTTP {status} {body[:200].decode(errors='replace')}"
            if status not in _RETRY:
                break
        raise VenueError(f"{self._venue} did not answer {path}: {problem} (asked {self._base_url})")

    async def read(
        self, path: str, kind: type[T], params: Mapping[str, str | int] | None = None, weight: int = 1
    ) -> T:  # fmt: skip
        """An answer, decoded. Raises `VenueError`, and `DataError` for one that makes no sense."""
        body = await self.ask(path, params, weight)
        try:
            return msgspec.json.decode(body, type=kind, strict=False)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise DataError(f"{self._venue}'s {path} is not understood: {error}") from error

    async def aclose(self) -> None:
        """Disconnect."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
