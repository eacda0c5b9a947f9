"""`Client`: every view as the struct it is made of, and every verb."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Struct

from domain import views as v
from domain.detail_views import LimitView
from domain.health import HealthView
from domain.instrument_views import PriceView
from domain.performance import Performance
from domain.record_views import CommandRow
from domain.risk_views import RiskView, StressView
from domain.room_views import AlertView, JobReport, JobView
from domain.verb_views import MessageView, VerbView
from gateway.client.credentials import Credentials
from gateway.client.errors import ClientError
from gateway.client.feed import Feed
from gateway.client.http import Http

T = TypeVar("T")
PAGE = 500


class Said(Struct, frozen=True, kw_only=True):
    """What a verb came to. `ok` False is a refusal; `message.actions` are what can be posted next."""

    ok: bool
    text: str
    message: MessageView


class Page(Struct):
    """A page of any list."""

    items: msgspec.Raw
    next: str


class Client:
    """One service. Close it, or use it in a `with`; it is for one thread."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeout_s: float = 10.0,
        ca: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = Http(url, credentials, timeout_s=timeout_s, ca=ca, sleep=sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    # views

    def raw(self, view: str, **arguments: object) -> bytes:
        """A view as the service sends it, JSON. Raises `ClientError`."""
        return self._http.get(f"/api/v1/{view}", arguments).content

    def read(self, kind: type[T], view: str, **arguments: object) -> T:
        """A view as a struct or a list of them."""
        return _decoded(self.raw(view, **arguments), kind)

    def rows(self, kind: type[T], view: str, **arguments: object) -> Iterator[T]:
        """Every row of a list that comes in pages, newest first, page by page."""
        cursor = ""
        while True:
            page = self.read(Page, view, **{"limit": PAGE, **arguments, "cursor": cursor})
            yield from _decoded(bytes(page.items), list[kind])  # type: ignore[valid-type]
            if not (cursor := page.next):
                return

    def status(self) -> v.StatusView:
        """The service at a glance."""
        return self.read(v.StatusView, "status")

    def positions(self) -> list[v.PositionView]:
        """Open positions."""
        return self.read(list[v.PositionView], "positions")

    def orders(self, *, recent: bool = False) -> list[v.OrderView]:
        """Working orders; with `recent` the newest closed ones too."""
        return self.read(list[v.OrderView], "orders", recent=recent)

    def strategies(self) -> list[v.StrategyView]:
        """Loaded strategies."""
        return self.read(list[v.StrategyView], "strategies")

    def pnl(self) -> list[v.PnlView]:
        """Profit of each account."""
        return self.read(list[v.PnlView], "pnl")

    def balances(self) -> list[v.BalanceView]:
        """Money of each account."""
        return self.read(list[v.BalanceView], "balances")

    def pending(self) -> list[v.RequestView]:
        """Requests that wait for votes."""
        return self.read(list[v.RequestView], "pending")

    def venues(self) -> list[v.VenueView]:
        """Connections to exchanges."""
        return self.read(list[v.VenueView], "venues")

    def breakers(self) -> list[v.BreakerView]:
        """Every breaker."""
        return self.read(list[v.BreakerView], "breakers")

    def incidents(self) -> list[v.IncidentView]:
        """The newest incidents."""
        return self.read(list[v.IncidentView], "incidents")

    def limits(self) -> list[LimitView]:
        """Every limit, and how much of it is used."""
        return self.read(list[LimitView], "limits")

    def risk(self) -> RiskView:
        """The portfolio's risk at a glance."""
        return self.read(RiskView, "risk")

    def stress(self, what: str = "") -> list[StressView]:
        """What shocks would do: the named ones, or `what`, such as `BTC -20`."""
        return self.read(list[StressView], "stress", what=what)

    def performance(self, period: str = "", since_ns: int = 0, until_ns: int = 0) -> Performance:
        """Figures of a period: `today`, `7d`, `mtd`, `2026-10`, or from and until."""
        return self.read(Performance, "performance", period=period, since_ns=since_ns, until_ns=until_ns)

    def prices(self) -> list[PriceView]:
        """What instruments are valued at now."""
        return self.read(list[PriceView], "prices")

    def health(self) -> HealthView:
        """Every part of the service."""
        return self.read(HealthView, "health")

    def verbs(self) -> list[VerbView]:
        """The verb table."""
        return self.read(list[VerbView], "verbs")

    def job(self, job_id: str) -> JobReport:
        """One job, and what came out of it."""
        return self.read(JobReport, "job", id=job_id)

    def trades(self, instrument: str = "") -> Iterator[v.TradeRow]:
        """Own fills, newest first."""
        return self.rows(v.TradeRow, "trades", instrument=instrument)

    def equity(self, since_ns: int = 0) -> Iterator[v.EquityPoint]:
        """Samples of equity, newest first."""
        return self.rows(v.EquityPoint, "equity", since_ns=since_ns)

    def alerts(self, state: str = "open") -> Iterator[AlertView]:
        """Alerts that are `open`, `over`, or `all`."""
        return self.rows(AlertView, "alerts", state=state)

    def jobs(self) -> Iterator[JobView]:
        """Backtests, newest first."""
        return self.rows(JobView, "jobs")

    def audit(self, **wanted: object) -> Iterator[CommandRow]:
        """Who commanded what, newest first: `person`, `verb`, `text`, `outcome`, `since_ns`, `until_ns`."""
        return self.rows(CommandRow, "audit", **wanted)

    # verbs

    def run(self, verb: str, /, *, key: str = "", speak_as: str = "", **arguments: str | int) -> Said:
        """Carry out a verb (`strategies-start` or `strategies start`) with named arguments, once.

        Without a `key` one is made, under which it is asked again until an answer comes. Raises `ClientError`;
        `Unknown` holds the key to ask again with. `speak_as` is another person, in paper.
        """
        body: dict[str, Any] = {"arguments": arguments, **({"person": speak_as} if speak_as else {})}
        answer = self._http.post(f"/api/v1/verbs/{verb.replace(' ', '-')}", body, key or uuid.uuid4().hex)
        return _decoded(answer.content, Said)

    def say(self, line: str, /, *, key: str = "", speak_as: str = "") -> Said:
        """Carry out a line as people type it. For sessions of people."""
        body = {"line": line, **({"person": speak_as} if speak_as else {})}
        return _decoded(self._http.post("/api/v1/line", body, key or uuid.uuid4().hex).content, Said)

    # news

    def feed(self) -> Feed:
        """The live feed: a snapshot, then everything that changes; it resumes by itself."""
        return Feed(self._http)


def _decoded(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise ClientError(
            f"the service answered what this client does not know ({error}): is it another version?"
        ) from None
