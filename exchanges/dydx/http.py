"""Asking dYdX over HTTP: the indexer's REST and a node's. Reads only, so what fails is asked again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

import aiohttp

from domain.errors import VenueError
from domain.ports import Clock
from exchanges.dydx.config import INDEXER_NS, INDEXER_REQUESTS, DydxConfig
from exchanges.dydx.wire import decoded
from exchanges.shared.budget import Budget
from exchanges.shared.gate import Gate
from exchanges.shared.meters import Costs, Headers, Priority, Window
from exchanges.shared.trouble import READS, Tell, judge, untold

TRIES = 3
_RETRY = frozenset({429, 500, 502, 503, 504})
_T = TypeVar("_T")


class IndexerLimits:
    """The gate of one object that asks the indexer, whose answers tell what others of this address have used."""

    def __init__(self, clock: Clock) -> None:
        self.budget = Budget("DYDX")
        self.gate = Gate(self.budget, clock)
        headers = Headers(left="ratelimit-remaining", limit="ratelimit-limit")
        self.one: Costs = ((self.budget.add(Window("indexer", INDEXER_REQUESTS, INDEXER_NS, headers=headers)), 1),)


class Reader:
    """Asks on a session that somebody else closes; `jitter` gives random numbers, `tell` hears of troubles."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: DydxConfig,
        jitter: Callable[[], float] = random.random,
        limits: IndexerLimits | None = None,
        tell: Tell = untold,
    ) -> None:
        self._tell = tell
        self._limits = limits
        self._session = session
        self._config = config
        self._jitter = jitter

    async def indexer(self, path: str, kind: type[_T], **query: str | int) -> _T:
        """An answer of the indexer. Raises `VenueError`, and `DataError` for one that makes no sense."""
        found = await self.ask(f"{self._config.indexer_url}/{path}", **query)
        if found is None:
            raise VenueError(f"dYdX's indexer knows no {path}")
        return decoded(found, kind, path)

    async def indexer_or_none(self, path: str, kind: type[_T], **query: str | int) -> _T | None:
        """The same; None when the indexer does not know the thing."""
        found = await self.ask(f"{self._config.indexer_url}/{path}", **query)
        return None if found is None else decoded(found, kind, path)

    async def node(self, path: str, kind: type[_T], **query: str | int) -> _T:
        """An answer of the node's REST. Raises as `indexer` does."""
        found = await self.ask(f"{self._config.rest_url}/{path}", **query)
        if found is None:
            raise VenueError(f"dYdX's node knows no {path}")
        return decoded(found, kind, path)

    async def rpc(self, method: str, kind: type[_T]) -> _T:
        """An answer of the node's RPC. Raises as `indexer` does."""
        found = await self.ask(f"{self._config.rpc_url}/{method}")
        if found is None:
            raise VenueError(f"dYdX's node has no {method}")
        return decoded(found, kind, method)

    async def ask(self, url: str, **query: str | int) -> bytes | None:
        """The body of an answer, None for a 404. Busy answers and lost connections are tried again."""
        limits = self._limits if url.startswith(self._config.indexer_url) else None
        problem, is_answered, what = "", False, url.rpartition("/")[2]
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._config.backoff_s * 2**attempt * (0.5 + self._jitter()))
            try:
                if limits is not None:
                    await limits.gate.enter(Priority.READ, limits.one, f"read {what}")
                timeout = aiohttp.ClientTimeout(total=self._config.request_timeout_s)
                async with self._session.get(url, params=query, timeout=timeout) as answer:
                    status, body = answer.status, await answer.read()
                if limits is not None:
                    limits.gate.answered(limits.one, status, answer.headers)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem, is_answered = str(error) or type(error).__name__, False
                continue
            is_answered = True
            judge(self._tell, READS, status, body)
            if status == 404:
                return None
            if status == 200:
                return body
            problem = f"HTTP {status}: {body[:200].decode(errors='replace')}"
            if status not in _RETRY:
                break
        if not is_answered:
            self._tell(READS, f"no answer to {what}: {problem}")
        raise VenueError(f"dYdX did not answer {url}: {problem}")
