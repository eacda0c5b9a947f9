"""From a plan's file to what runs: sources opened, names found, settings made. Nothing is run here."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace

from domain.errors import ConfigError, StrategyError
from domain.instrument import Instrument, InstrumentId
from domain.settings import Settings, StrategySpec
from engine.config.models import InstrumentSection
from engine.config.parts import paper_fields
from engine.config.settings import natural, to_instrument, without_listed
from engine.config.words import nearest
from engine.data.importers import Stamp
from engine.data.store.store import MarketStore
from engine.strategies import registry
from exchanges.paper.config import PaperConfig
from research.market_data import DataKind, FileOptions, MarketData, find_instrument, open_file, simulated
from research.plan import Plan, Tested
from research.plan_file import Checked, PlanFile, PlannedStrategy, SourceSection
from research.prepare import BacktestSettings
from research.result import Approver
from research.stored import END_NS, StoredOptions, open_stored

SIMULATED_START_NS = 1_760_000_000_000_000_000
"""When a simulated market begins that is not told otherwise: 2025-10-09 08:53:20 UTC."""
ANY = "any"
MOST_ID = 40
"""Characters of a strategy's id (`strategy_id_problem`)."""
HOUR_NS = 3_600_000_000_000
MILLISECOND_NS = 1_000_000
TERMS = ("maker_fee", "taker_fee", "initial_margin", "maintenance_margin", "min_notional", "funding_interval_ns")


class Opened(Struct, frozen=True, kw_only=True):
    """What `run_plan` takes."""

    plan: Plan
    sources: tuple[MarketData, ...]
    settings: BacktestSettings


def open_plan(checked: Checked, store: Path, asked: dict[str, Any]) -> Opened:
    """Open everything that a plan names; `store` is the data folder. Raises `DataError`, `ConfigError`."""
    plan, config = checked.plan, checked.config
    core = without_listed(config)
    opener = Opener(checked, core, store)
    sources = opener.sources()
    names = tuple(dict.fromkeys(source.instrument.id for source in sources))
    instruments = {source.instrument.id: source.instrument for source in sources}
    tested = tuple(
        one
        for i, each in enumerate(plan.strategies)
        for one in expanded(each, instruments, checked.folder, f"strategies[{i}].instruments")
    )
    check_ids([each.id for each in tested])
    check_scopes(core, [each.id for each in tested], names)
    span = plan.span
    return Opened(
        plan=Plan(
            strategies=tested,
            start_ns=span.from_ns,
            end_ns=span.to_ns,
            joins=span.joins,
            seed=plan.seed,
            asked=asked,
        ),
        sources=tuple(sources),
        settings=settings_of(plan, core, paper_fields(config), config.data_feed.conflate_ns),
    )


def expanded(
    planned: PlannedStrategy, instruments: dict[InstrumentId, Instrument], folder: Path, where: str
) -> list[Tested]:
    """The strategy on all of its instruments, or one on each."""
    names = tuple(named(name, instruments, where) for name in planned.instruments) or tuple(instruments)
    tested = Tested(
        id=planned.id,
        kind=planned.kind,
        params={key: natural(value) for key, value in planned.params.items()},
        instruments=names,
        folder=folder,
        own_account=planned.account == "own",
        priority=planned.priority,
        position_age_ns=planned.position_age_ns,
    )
    is_each = planned.each if planned.each is not None else len(names) > 1 and takes_one(tested)
    if not is_each:
        return [tested]
    short = {name: name.partition("-")[0].lower() for name in names}
    labels = short if len(set(short.values())) == len(names) else {name: name.lower() for name in names}
    return [replace(tested, id=short_id(f"{planned.id}-{labels[name]}"), instruments=(name,)) for name in names]


def short_id(name: str) -> str:
    """A strategy's id; one that is too long keeps its beginning, and a hash of the whole tells it from the others."""
    if len(name) <= MOST_ID:
        return name
    return f"{name[: MOST_ID - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def takes_one(tested: Tested) -> bool:
    """Whether a kind can be made for one of the instruments, but not for all of them."""
    loaded = registry.load(tested.kind, tested.folder)

    def fits(instruments: tuple[InstrumentId, ...]) -> bool:
        spec = StrategySpec(
            id=tested.id, kind=tested.kind, account="", instruments=instruments, params=dict(tested.params)
        )
        try:
            registry.make(loaded, spec)
        except StrategyError:
            return False
        return True

    return not fits(tested.instruments) and fits(tested.instruments[:1])


def settings_of(plan: PlanFile, core: Settings, paper: dict[str, Any], conflate_ns: int) -> BacktestSettings:
    """The world of a test. Raises `ConfigError` for terms of the exchange that make no sense."""
    try:
        everywhere = convert(paper, PaperConfig)
        of_venue = {
            venue: convert(paper | _paper_terms(terms.model_dump(exclude_none=True)), PaperConfig)
            for venue, terms in plan.venues.items()
        }
    except ValidationError as error:
        raise ConfigError(f"paper: {error}") from error
    return BacktestSettings(
        core=core,
        paper=everywhere,
        paper_of=of_venue,
        deposit=plan.deposit,
        approver=Approver(plan.approver),
        conflate_ns=conflate_ns,
    )


def _paper_terms(given: dict[str, Any]) -> dict[str, Any]:
    """Settings of a venue's exchange as `PaperConfig` has them."""
    return {
        name.replace("_latency_ms", "_ns").replace("_ms", "_ns"): value * MILLISECOND_NS
        if name.endswith("_ms")
        else value
        for name, value in given.items()
    }


def named(name: str, instruments: dict[InstrumentId, Instrument], where: str) -> InstrumentId:
    """An instrument by id, symbol, alias or base asset. Raises `ConfigError`."""
    wanted = name.upper()
    found = [
        each.id
        for each in instruments.values()
        if wanted in {each.id, each.id.partition(".")[0], each.base, *(alias.upper() for alias in each.aliases)}
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{where}: {name!r} may be {' or '.join(found)}: name one")
    raise ConfigError(
        f"{where}: no source has {name!r}{nearest(wanted, instruments)}; there is {', '.join(instruments)}"
    )


def check_ids(ids: list[str]) -> None:
    """Raise `ConfigError` where one strategy is called what another becomes on one of its instruments."""
    twice = next((name for at, name in enumerate(ids) if name in ids[:at]), "")
    if twice:
        raise ConfigError(
            f"strategies: the id {twice!r} stands twice, once made of an id and an instrument: rename one"
        )


def check_scopes(core: Settings, strategies: list[str], instruments: tuple[InstrumentId, ...]) -> None:
    """Raise `ConfigError` for limits of what is not in the test: a name with a slip would bind nothing."""
    known = {
        "strategy": strategies,
        "instrument": [*instruments, *(each.id for each in core.instruments)],
        "limits": [*instruments, *(each.id for each in core.instruments)],
        "venue": list(dict.fromkeys([name.partition(".")[2] for name in instruments] + ["PAPER"])),
    }
    for scope, names in known.items():
        for name in getattr(core.risk, scope):
            if name not in names:
                raise ConfigError(
                    f"settings.risk.{scope}.{name}: not in this test{nearest(name, names)}; there is {', '.join(names)}"
                )


class Opener:
    """Opens the sources of one plan."""

    def __init__(self, checked: Checked, core: Settings, store: Path) -> None:
        self._plan, self._base = checked.plan, checked.base
        self._core = core
        self._store = store

    def sources(self) -> list[MarketData]:
        """All of them; sources of one instrument count in the same steps. Raises `DataError`, `ConfigError`."""
        opened = [self._open(section, self._core.instruments) for section in self._plan.sources]
        for name in dict.fromkeys(source.instrument.id for source in opened):
            beside = [at for at, source in enumerate(opened) if source.instrument.id == name]
            finest = _finest([opened[at].instrument for at in beside])
            for at in beside:
                if opened[at].instrument != finest:
                    section = self._plan.sources[at].model_copy(update={"instrument": name})
                    opened[at] = self._open(section, (finest, *self._core.instruments))
        return opened

    def _open(self, section: SourceSection, known: tuple[Instrument, ...]) -> MarketData:
        contract = _contract(section)
        known = (*contract, *known)
        fees = self._core.instruments[0] if self._core.instruments else None
        if section.file:
            options = FileOptions(
                kind=DataKind(section.kind) if section.kind else None,
                instrument=section.instrument,
                instruments=known,
                stamp=Stamp(section.stamp),
                tolerate_gaps=section.tolerate_gaps,
                newest_first=section.newest_first,
                funding=self._base / section.funding if section.funding else None,
                fees=fees,
            )
            return _with_terms(open_file(self._base / section.file, options), section)
        span = self._plan.span
        if section.stored:
            stored = StoredOptions(
                name=section.stored,
                start_ns=span.from_ns,
                end_ns=span.to_ns or END_NS,
                kind=DataKind(section.kind) if section.kind else None,
                interval_ns=section.interval_ns or 0,
                tolerate_gaps=section.tolerate_gaps,
                instruments=known,
                fees=fees,
            )
            return _with_terms(open_stored(MarketStore(self._store / "market"), stored), section)
        instrument = known[0] if section.simulated == ANY and known else find_instrument(section.simulated, known)
        if instrument is None:
            there = ", ".join(item.id for item in known) or "none"
            raise ConfigError(f"simulated {section.simulated!r}: not configured; there are: {there}")
        start_ns = span.from_ns or SIMULATED_START_NS
        hours = section.hours or Decimal(24)
        return _with_terms(simulated(instrument, self._plan.seed, start_ns, int(hours * HOUR_NS)), section)


def _contract(section: SourceSection) -> tuple[Instrument, ...]:
    """The contract's steps where the plan says them."""
    if section.tick_size is None or section.lot_size is None:
        return ()
    if not section.instrument:
        raise ConfigError(f"{section.file or section.stored}: with tick_size goes the instrument's id")
    return (
        to_instrument(InstrumentSection(id=section.instrument, tick_size=section.tick_size, lot_size=section.lot_size)),
    )


def _with_terms(source: MarketData, section: SourceSection) -> MarketData:
    """Costs and margins that the plan says, instead of those known or assumed."""
    given = {name: value for name in TERMS if (value := getattr(section, name)) is not None}
    if not given:
        return source
    note = f"{source.name}: {', '.join(f'{name} {value}' for name, value in given.items())}, as the plan says"
    return replace(source, instrument=replace(source.instrument, **given), notes=(*source.notes, note))


def _finest(instruments: list[Instrument]) -> Instrument:
    """One contract that carries what all of these do."""
    first = instruments[0]
    if all(each == first for each in instruments):
        return first
    return replace(
        first,
        price_decimals=max(each.price_decimals for each in instruments),
        qty_decimals=max(each.qty_decimals for each in instruments),
        tick=1,
        lot=1,
        min_qty=1,
    )
