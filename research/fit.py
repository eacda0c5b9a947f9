"""Strategies fitted to sources: what each reads has to be there, and each needs an account for what it trades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.account import venue_of
from domain.errors import DataError, MoonDevError, StrategyError
from domain.instrument import AccountId, InstrumentId
from domain.market import FeedKind
from domain.settings import Settings, StrategySpec, strategy_id_problem
from domain.text import error_text
from engine.core.core import AnyStrategy
from engine.core.strategies import WarmUp, proven
from engine.data.store.store import when
from engine.strategies import registry
from research.market_data import DataKind, MarketData
from research.plan import Plan, Tested
from research.record import Built

SECOND_NS = 1_000_000_000
ONE_CURRENCY = frozenset({"USD", "USDC", "USDT"})
"""Quote currencies that count as one."""
BESIDE = (DataKind.BARS, DataKind.TRADES, DataKind.BOOKS)
"""Kinds of which an instrument may have one source each; a tape of everything has only bars beside it."""


def check_sources(plan: Plan, sources: Sequence[MarketData]) -> None:
    """Raise `DataError` for sources that cannot be run over together."""
    if not sources:
        raise DataError("there is no market data to run over")
    known: dict[InstrumentId, list[MarketData]] = {}
    for source in sources:
        beside = known.setdefault(source.instrument.id, [])
        for other in beside:
            _check_beside(other, source)
        beside.append(source)
    currency_of(sources)
    if not plan.joins:
        _check_overlap(sources)


def _check_beside(one: MarketData, other: MarketData) -> None:
    """Two sources of one instrument."""
    name = one.instrument.id
    kinds = {one.kind, other.kind}
    if len(kinds) == 1 or not (kinds <= set(BESIDE) or kinds == {DataKind.L2, DataKind.BARS}):
        raise DataError(
            f"{name} comes twice: {one.name} ({one.kind}) and {other.name} ({other.kind}); an instrument has one "
            "source, or one each of bars, trades and books, or bars beside an L2 tape"
        )
    if one.instrument != other.instrument:
        raise DataError(
            f"{name}: {one.name} and {other.name} count prices or quantities in other steps; configure the instrument"
        )


def _check_overlap(sources: Sequence[MarketData]) -> None:
    known = [source for source in sources if source.last_ns]
    if len(known) < 2:
        return
    late, early = max(known, key=lambda source: source.first_ns), min(known, key=lambda source: source.last_ns)
    if late.first_ns >= early.last_ns:
        raise DataError(
            f"the sources have no time in common: {early.name} ends {when(early.last_ns)}, {late.name} begins "
            f"{when(late.first_ns)}"
        )


def currency_of(sources: Sequence[MarketData]) -> str:
    """What money is counted in. Raises `DataError` for quote currencies that do not count as one."""
    quotes = {source.instrument.quote: source.instrument.id for source in sources}
    if len(quotes) == 1:
        return next(iter(quotes))
    if set(quotes) <= ONE_CURRENCY:
        return "USD"
    told = ", ".join(f"{instrument} in {quote}" for quote, instrument in quotes.items())
    raise DataError(f"the sources are quoted in currencies that do not add up: {told}; test them apart")


def bars_from(instrument: InstrumentId, sources: Sequence[MarketData]) -> MarketData:
    """The source that an instrument's bars come from: recorded ones where there are any, else what they are made of."""
    found = [source for source in sources if source.instrument.id == instrument and FeedKind.BAR in source.reads]
    of_it = found or [source for source in sources if source.instrument.id == instrument]
    return next((source for source in of_it if source.kind is DataKind.BARS), of_it[0])


def build_all(plan: Plan, sources: Sequence[MarketData], core: Settings) -> Iterator[Built]:
    """The plan's strategies, in order. Raises `StrategyError` for the first that does not fit."""
    taken: dict[tuple[AccountId, InstrumentId], str] = {}
    ids: set[str] = set()
    if not plan.strategies:
        raise StrategyError("there is no strategy to test")
    for tested in plan.strategies:
        problem = strategy_id_problem(tested.id) or (f"{tested.id!r} is there twice" if tested.id in ids else "")
        if problem:
            raise StrategyError(f"strategy {tested.id}: {problem}")
        ids.add(tested.id)
        built = build_one(tested, sources, core, taken)
        for instrument in built.spec.instruments:
            taken[built.spec.account_of(instrument), instrument] = tested.id
        yield built


def build_one(
    tested: Tested, sources: Sequence[MarketData], core: Settings, taken: dict[tuple[AccountId, InstrumentId], str]
) -> Built:
    """One strategy, on the account it is to trade on. Raises `StrategyError`."""
    known = tuple(dict.fromkeys(source.instrument.id for source in sources))
    instruments = tested.instruments or known
    for instrument in instruments:
        if instrument not in known:
            raise StrategyError(f"strategy {tested.id}: no source has {instrument}; there is {', '.join(known)}")
    if len(set(instruments)) < len(instruments):
        raise StrategyError(f"strategy {tested.id}: an instrument stands twice in {', '.join(instruments)}")
    loaded = registry.load(tested.kind, tested.folder)
    params = dict(tested.params)
    if "interval_s" in loaded.strategy.params_type.model_fields:
        intervals = [source.interval_ns for source in sources if source.instrument.id in instruments]
        if longest_ns := max(intervals):
            params.setdefault("interval_s", longest_ns // SECOND_NS)
    account, *further = accounts_of(tested, instruments, core, taken)
    spec = StrategySpec(
        id=tested.id,
        kind=tested.kind,
        account=account,
        instruments=instruments,
        params=params,
        priority=tested.priority,
        position_age_ns=tested.position_age_ns,
        accounts=tuple(further),
    )
    try:
        code = registry.make(loaded, spec)
        check_feeds(tested, code, sources)
        warmup_bars = proven("warmup()", code.warmup(), WarmUp)
    except MoonDevError:
        raise
    except Exception as error:
        raise StrategyError(f"strategy {tested.id} cannot be made: {error_text(error)}") from error
    return Built(spec=spec, code=code, source_hash=loaded.source_hash, warmup_bars=warmup_bars)


def accounts_of(
    tested: Tested,
    instruments: Sequence[InstrumentId],
    core: Settings,
    taken: dict[tuple[AccountId, InstrumentId], str],
) -> list[AccountId]:
    """At each venue that it trades at, the venue's account, or one of its own where it must not share."""
    found = []
    for venue in dict.fromkeys(instrument.partition(".")[2] for instrument in instruments):
        shared = next((account.id for account in core.accounts if venue_of(account.id) == venue), f"{venue}:main")
        owned = any((shared, instrument) in taken for instrument in instruments)
        found.append(f"{venue}:{tested.id}" if tested.own_account or owned else shared)
    return found


def check_feeds(tested: Tested, code: AnyStrategy, sources: Sequence[MarketData]) -> None:
    """Raise `StrategyError` for a strategy that reads what the sources do not have."""
    for name in dict.fromkeys(feed.instrument for feed in code.feeds()):
        of_it = [source for source in sources if source.instrument.id == name]
        if not of_it:
            raise StrategyError(f"{tested.kind} reads {name}, of which there is no source")
        reads = {kind.value for source in of_it for kind in source.reads}
        missing = sorted({feed.kind.value for feed in code.feeds() if feed.instrument == name} - reads)
        if missing:
            raise StrategyError(
                f"{tested.kind} reads {' and '.join(missing)}, but {' and '.join(source.name for source in of_it)} has "
                f"only {' and '.join(sorted(reads))}"
            )
