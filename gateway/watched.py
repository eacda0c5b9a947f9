"""What watchers from outside ask: is the service ready, and how much is at risk. Read from the source like all else."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from domain.risk_views import RiskView, StressView
from domain.views import BreakerView, StatusView
from gateway.source import Source

T = TypeVar("T")
NONE: Final[Mapping[str, str]] = MappingProxyType({})
RISK_REFRESH_S: Final = 5.0
READY: Final = "ready"
"""A view without a route of its own: what `/health/ready` says."""


class ReadyView(Struct, frozen=True, kw_only=True):
    """Whether the service can do what it is told, and why not; trading state and chat channels beside it."""

    reasons: list[str]
    trading: str
    chat: dict[str, str]


class RiskReading(Struct, frozen=True, kw_only=True):
    """The portfolio's risk, and what every named shock would do."""

    view: RiskView
    stress: list[StressView]
    status: StatusView
    breakers: list[BreakerView] = []
    """All of them, those that are closed too."""


class RiskReader:
    """Reads the risk at most once in some seconds, for everybody who asks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._risk: RiskReading | None = None
        self._read_at_s = -math.inf
        self._one = asyncio.Lock()

    async def risk(self) -> RiskReading:
        """The risk as it was at most some seconds ago. Raises `SourceLost`."""
        async with self._one:
            if self._risk is None or time.monotonic() - self._read_at_s > RISK_REFRESH_S:
                source = self._source
                self._risk = RiskReading(
                    view=await read(source, "risk", RiskView),
                    stress=await read(source, "stress", list[StressView]),
                    status=await read(source, "status", StatusView),
                    breakers=await read(source, "breakers", list[BreakerView]),
                )
                self._read_at_s = time.monotonic()
            return self._risk


async def read(source: Source, name: str, kind: type[T]) -> T:
    """A view as the struct that it was made from. Raises `SourceLost`."""
    found: Any = msgspec.json.decode(await source.view(name, NONE), type=kind)
    return found  # type: ignore[no-any-return]
