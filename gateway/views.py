"""The table of views: what can be read of the service, by name. Routes, feed and command line read nothing else.

Each row says what it is asked with and what it answers, and from that alone its arguments are checked, its route is
made and its part of the OpenAPI document is written. Amounts are strings of decimals, times are nanoseconds UTC.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from domain import views as v
from domain.answer import BadArgument, NotKnown
from domain.detail_views import LimitView, RequestDetail, SettingView, StrategyDetail
from domain.health import HealthView, health_of
from domain.instrument_views import InstrumentView, PriceView, instrument_view
from domain.market_views import CandlesView, MarketView
from domain.performance import Performance
from domain.record_views import AuditPage, ChainView, EntryView, MachineView, ParamsRow
from domain.reports import Verified
from domain.risk_views import RiskView, StressView
from domain.room_views import AlertView, DeliveryView, JobReport, JobView, MuteView
from domain.verb_views import Remote, VerbView
from engine.desk import Desk
from gateway import detail, market
from gateway.asked import Cursor, Limit, Moment, Nothing, Page, Paged, Word, bind, page, position

KEPT: Final = 20_000
"""More than the desk keeps of anything: all of it."""


PERIOD: Final = r"^(today|yesterday|wtd|mtd|qtd|ytd|all|[1-9][0-9]{0,2}[hdw]|20[0-9]{2}-(0[1-9]|1[0-2]))?$"


class Rooms(Struct, frozen=True):
    """What views are read from."""

    desk: Desk
    remote: Remote


Read: TypeAlias = Callable[[Rooms, Any], object | Awaitable[object]]


class View(Struct, frozen=True, kw_only=True):
    """One view. `of` is the type of its answer, or of one item where it `is_paged`."""

    text: str
    of: Any
    read: Read
    asked: type[Struct] = Nothing
    is_paged: bool = False

    def __call__(self, rooms: Rooms, arguments: Mapping[str, str]) -> object | Awaitable[object]:
        """What it shows now. Raises `BadArgument`."""
        return self.read(rooms, bind(self.asked, arguments))

    @property
    def answer(self) -> Any:  # noqa: ANN401 - a type
        """The type of the whole answer."""
        return Page[self.of] if self.is_paged else self.of  # type: ignore[name-defined]


class OrdersAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which orders."""

    recent: Annotated[bool, Meta(description="The newest closed ones too.")] = False


class TradesAsked(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which fills."""

    limit: Limit = 100
    cursor: Cursor = ""
    instrument: Annotated[Word, Meta(description="Only this one, by id.")] = ""


class EquityAsked(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the curve."""

    limit: Limit = 2_000
    cursor: Cursor = ""
    since_ns: Moment = 0


class StressAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which shock."""

    what: Annotated[str, Meta(max_length=200, description="One, by name or in words, `BTC -20`; empty = all.")] = ""


class PeriodAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which period: in words, or, without them, from and until (0 = now)."""

    period: Annotated[str, Meta(pattern=PERIOD, description="`today`, `mtd`, `7d`, `2026-10`, `all`; UTC.")] = ""
    since_ns: Moment = 0
    until_ns: Moment = 0


class AlertsAsked(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts."""

    limit: Limit = 100
    cursor: Cursor = ""
    state: Annotated[Literal["open", "over", "all"], Meta(description="Those that stand, or that are over.")] = "open"


class JobAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which job."""

    id: Annotated[str, Meta(min_length=1, max_length=20, description="As `J7`.")]


class OffersAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An argument of a verb."""

    verb: Annotated[Word, Meta(description="Its name or path.")]
    argument: Word


def _stress(rooms: Rooms, asked: StressAsked) -> list[StressView]:
    found = rooms.desk.stress(asked.what)
    if isinstance(found, str):
        raise NotKnown(found)
    return found


def _trades(rooms: Rooms, asked: TradesAsked) -> Page[v.TradeRow]:
    rows = (row for row in rooms.desk.trades(KEPT) if asked.instrument in {"", row.instrument})
    return page(rows, asked, lambda row: (row.ts_ns, f"{row.account} {row.fill_id}"))


def _equity(rooms: Rooms, asked: EquityAsked) -> Page[v.EquityPoint]:
    points = rooms.desk.equity_curve(KEPT if asked.cursor else asked.limit + 1)
    return page((p for p in reversed(points) if p.ts_ns >= asked.since_ns), asked, lambda point: (point.ts_ns, ""))


async def _performance(rooms: Rooms, asked: PeriodAsked) -> Performance:
    since_ns, until_ns = asked.since_ns, asked.until_ns or rooms.desk.clock.now_ns()
    try:
        if asked.period:
            since_ns, until_ns = rooms.remote.period(asked.period)
    except BadArgument as error:  # a month that has not come
        return Performance(since_ns=since_ns, until_ns=until_ns, problem=str(error))
    if since_ns >= until_ns:
        return Performance(since_ns=since_ns, until_ns=until_ns, problem="since_ns has to be before until_ns")
    return await rooms.desk.performance(since_ns, until_ns)


def _instruments(rooms: Rooms, _: Nothing) -> list[InstrumentView]:
    found = (rooms.desk.contract(name) for name in rooms.desk.instruments())
    return [instrument_view(one) for one in found if one is not None]


def _prices(rooms: Rooms, _: Nothing) -> list[PriceView]:
    return [PriceView(instrument=name, price=price) for name, price in rooms.desk.prices().items()]


def _health(rooms: Rooms, _: Nothing) -> HealthView:
    desk = rooms.desk
    return health_of(desk.status(), desk.ready(), desk.venues(), desk.records.parts(), rooms.remote.parts())


def _alerts(rooms: Rooms, asked: AlertsAsked) -> Page[AlertView]:
    found = sorted(rooms.remote.alerts(asked.state), key=lambda alert: -_number(alert.id))
    return page(found, asked, lambda alert: (_number(alert.id), ""))


async def _jobs(rooms: Rooms, asked: Paged) -> Page[JobView]:
    before, _ = position(asked.cursor) or (0, "")
    return page(await rooms.remote.jobs(before, asked.limit + 1), asked, lambda job: (_number(job.id), ""))


def _number(name: str) -> int:
    """Of an alert or a job: both are a letter and a number."""
    return int(name[1:])


def _settings_history(rooms: Rooms, asked: Paged) -> Page[v.SettingsChangeView]:
    return page(rooms.desk.settings.version().changes, asked, lambda change: (change.number, ""))


VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        "status": View(text="The service at a glance", of=v.StatusView, read=lambda r, _: r.desk.status()),
        "positions": View(
            text="Open positions, and closed ones that earned or paid something",
            of=list[v.PositionView],
            read=lambda r, _: r.desk.positions(),
        ),
        "orders": View(
            text="Working orders, oldest first; with `recent` then the newest closed ones",
            of=list[v.OrderView],
            asked=OrdersAsked,
            read=lambda r, asked: r.desk.orders(recent=asked.recent),
        ),
        "strategies": View(text="Loaded strategies", of=list[v.StrategyView], read=lambda r, _: r.desk.strategies()),
        "pnl": View(text="Profit of each account; the day is UTC", of=list[v.PnlView], read=lambda r, _: r.desk.pnl()),
        "balances": View(text="Money of each account", of=list[v.BalanceView], read=lambda r, _: r.desk.balances()),
        "pending": View(
            text="Requests that wait for votes, oldest first",
            of=list[v.RequestView],
            read=lambda r, _: r.desk.pending(),
        ),
        "venues": View(
            text="Connections to exchanges, their limits and what waits for them",
            of=list[v.VenueView],
            read=lambda r, _: list(r.desk.venues()),
        ),
        "breakers": View(
            text="Every breaker, those that are closed too: measure against threshold, until when, actions",
            of=list[v.BreakerView],
            read=lambda r, _: r.desk.breakers(),
        ),
        "incidents": View(
            text="The newest incidents, newest first", of=list[v.IncidentView], read=lambda r, _: r.desk.incidents()
        ),
        "trades": View(text="Own fills", of=v.TradeRow, asked=TradesAsked, is_paged=True, read=_trades),
        "equity": View(
            text="Samples of equity over all accounts", of=v.EquityPoint, asked=EquityAsked, is_paged=True, read=_equity
        ),
        "performance": View(
            text="What was earned and risked in a period; `problem` says why there are no figures",
            of=Performance,
            asked=PeriodAsked,
            read=_performance,
        ),
        "risk": View(text="The portfolio's risk at a glance", of=RiskView, read=lambda r, _: r.desk.risk()),
        "stress": View(
            text="What shocks would do: every named one, or the one that is asked for",
            of=list[StressView],
            asked=StressAsked,
            read=_stress,
        ),
        "alerts": View(text="What is wrong, or was", of=AlertView, asked=AlertsAsked, is_paged=True, read=_alerts),
        "mutes": View(
            text="Alerts that are not told for a while", of=list[MuteView], read=lambda r, _: r.remote.mutes()
        ),
        "jobs": View(text="Backtests that run, wait or are done", of=JobView, asked=Paged, is_paged=True, read=_jobs),
        "job": View(
            text="One job, and what came out of it", of=JobReport, asked=JobAsked, read=lambda r, a: r.remote.job(a.id)
        ),
        "instruments": View(text="Contracts that can be traded", of=list[InstrumentView], read=_instruments),
        "book": View(
            text="One market now: prices, the nearest levels, our orders, quotes and positions there",
            of=MarketView,
            asked=market.BookAsked,
            read=lambda r, a: market.book(r.desk, a),
        ),
        "candles": View(
            text="Finished bars of a market, oldest first; where the venue has none, prices that the engine sampled",
            of=CandlesView,
            asked=market.CandlesAsked,
            read=lambda r, a: market.candles(r.desk, a),
        ),
        "fills": View(
            text="The newest own fills in a market and period (default: the last day), oldest first",
            of=list[v.TradeRow],
            asked=market.FillsAsked,
            read=lambda r, a: market.fills(r.desk, a),
        ),
        "prices": View(
            text="Prices that positions are valued at; what has none yet is not there",
            of=list[PriceView],
            read=_prices,
        ),
        "limits": View(
            text="Every limit: what holds and what it is from, how much is used, everywhere it is set; fullest first",
            of=tuple[LimitView, ...],
            read=lambda r, _: r.desk.detail.limits(),
        ),
        "requests": View(
            text="Requests in full, with who may vote and why not; those that wait, then the decided ones",
            of=list[RequestDetail],
            read=lambda r, _: r.desk.detail.requests(),
        ),
        "strategy": View(
            text="A loaded strategy's parameters with what its code says of them, and who gave them",
            of=StrategyDetail,
            asked=detail.StrategyAsked,
            read=detail.strategy,
        ),
        "strategy-history": View(
            text="Who gave a strategy which parameters, when, and who agreed",
            of=ParamsRow,
            asked=detail.HistoryAsked,
            is_paged=True,
            read=detail.history,
        ),
        "strategy-kinds": View(
            text="Kinds of strategies that can be loaded", of=list[str], read=lambda r, _: r.desk.strategy_kinds()
        ),
        "settings": View(
            text="Every setting that may change while running: value, default, and who set it",
            of=tuple[SettingView, ...],
            read=lambda r, _: r.desk.detail.settings(),
        ),
        "settings-history": View(
            text="Every change of the settings that is remembered: who, when, why",
            of=v.SettingsChangeView,
            asked=Paged,
            is_paged=True,
            read=_settings_history,
        ),
        "persons": View(text="Who may act here", of=list[v.PersonView], read=lambda r, _: r.desk.persons()),
        "health": View(text="Every part of the service: what is connected, what waits", of=HealthView, read=_health),
        "audit": View(
            text="Who commanded what, with its outcome, newest first",
            of=AuditPage,
            asked=detail.AuditAsked,
            read=detail.audit,
        ),
        "audit-entry": View(
            text="One record of the journal in full, by its seq",
            of=EntryView,
            asked=detail.EntryAsked,
            read=detail.entry,
        ),
        "audit-head": View(
            text="The journal's newest record with the chain's hash, and what the last whole verification found",
            of=Verified | None,
            read=lambda r, _: r.desk.records.verifier.view() if r.desk.records.verifier is not None else None,
        ),
        "deliveries": View(
            text="What became of the messages of each chat channel in the last day, and what waits",
            of=list[DeliveryView],
            read=lambda r, _: r.remote.deliveries(),
        ),
        "machine": View(
            text="What the service runs as and on: versions, disk, memory, clock; null where nobody tells",
            of=MachineView | None,
            read=lambda r, _: r.desk.records.machine(),
        ),
        "chain": View(
            text="Whether the newest part of the journal still says what was written",
            of=ChainView,
            read=lambda r, _: r.desk.records.chain(),
        ),
        "verbs": View(
            text="The verb table: what can be commanded, by whom, with which arguments",
            of=list[VerbView],
            read=lambda r, _: r.remote.verbs(),
        ),
        "offers": View(
            text="What could be given for an argument of a verb now",
            of=list[str],
            asked=OffersAsked,
            read=lambda r, a: r.remote.offers(a.verb, a.argument),
        ),
    }
)
