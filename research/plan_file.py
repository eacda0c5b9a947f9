"""A plan as people write it: strategies, sources of market data, span, costs and settings, in one YAML file.

Checked as a whole before anything is read: `load_plan` raises one error with every mistake, its line and its path.
Files are named relative to the plan. `docs/research.md` shows it all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from domain.errors import ConfigError, StrategyError
from domain.settings import strategy_id_problem
from domain.strategy import range_of
from domain.text import error_text
from domain.text import plain as shown
from engine.config.fields import (
    AtLeastOne,
    Count,
    DurationNs,
    FeeRate,
    Fraction,
    NotNegative,
    Positive,
    PositiveDurationNs,
    Text,
    expected,
)
from engine.config.load import load_for_test
from engine.config.models import Config
from engine.config.problem import KeyPath, Place, Problem, Problems
from engine.config.section import Section
from engine.config.settings import natural
from engine.config.source import Node, find, plain, read_tree
from engine.config.words import sentence
from engine.data.store.series import parse_interval
from engine.strategies import registry

IN_A_TEST = frozenset({"risk", "approvals", "execution", "breakers", "allocation", "paper", "instruments", "data_feed"})
"""Sections of the settings that mean something in a backtest."""
WHAT = "The plan"
MOST_HOURS = 100_000
"""Of a simulated market: eleven years."""
S = TypeVar("S", bound=Section)


def when_ns(value: Any) -> int:  # noqa: ANN401 - from a file
    """Nanoseconds of an ISO date or time; UTC where it names no zone."""
    try:
        at = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None:
        raise expected("an ISO date or time (UTC), such as 2025-01-31 or 2025-01-31T12:00:00")
    at = at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


def interval_ns(value: Any) -> int:  # noqa: ANN401 - from a file
    """Nanoseconds of `1m`, `4h`, `1d`."""
    try:
        return parse_interval(str(value))
    except ConfigError:
        raise expected("an interval such as 1m, 4h or 1d") from None


WhenNs = Annotated[int, BeforeValidator(when_ns)]
IntervalNs = Annotated[int, BeforeValidator(interval_ns)]


class SpanSection(Section):
    """When the run begins and ends; what is before it warms up."""

    from_ns: WhenNs = Field(default=0, alias="from")
    to_ns: WhenNs = Field(default=0, alias="to")
    joins: bool = False
    """Begin with the first source and end with the last: instruments come and go, as in a market they do."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> SpanSection:
        if self.from_ns and self.to_ns and self.from_ns >= self.to_ns:
            raise ValueError("expected `to` to be after `from`")
        return self


class SourceSection(Section):
    """Market data of one instrument: a file, a stored series, or the simulated market. Costs left out are assumed."""

    file: Text = ""
    stored: Text = ""
    """Instrument in the data store."""
    simulated: Text = ""
    """Configured instrument, of which a market is made up; any = the first one."""
    instrument: Text = ""
    """Of a file whose name does not tell: an id, with the venue it is to be traded at."""
    kind: Literal["bars", "trades", "books", "l2"] | None = None
    stamp: Literal["open", "close"] = "open"
    interval_ns: IntervalNs | None = Field(default=None, alias="interval")
    """Of stored candles; the finest when left out."""
    tolerate_gaps: bool = False
    newest_first: bool = False
    """A file whose rows run backwards is turned round."""
    funding: Text = ""
    """File of funding rates beside one of bars."""
    hours: Positive | None = None
    """How much of a simulated market."""
    maker_fee: FeeRate | None = None
    taker_fee: FeeRate | None = None
    initial_margin: Fraction | None = None
    maintenance_margin: Fraction | None = None
    tick_size: Positive | None = None
    lot_size: Positive | None = None
    min_notional: NotNegative | None = None
    funding_interval_ns: PositiveDurationNs | None = Field(default=None, alias="funding_interval")

    @model_validator(mode="after")
    def _is_one_thing(self) -> SourceSection:
        if [bool(self.file), bool(self.stored), bool(self.simulated)].count(True) != 1:
            raise ValueError("expected one of file, stored and simulated")
        if self.simulated and self.hours is None:
            raise ValueError("a simulated market needs its length: hours")
        if self.hours is not None and self.hours > MOST_HOURS:
            raise ValueError(f"a simulated market is at most {MOST_HOURS} hours long")
        if (self.tick_size is None) != (self.lot_size is None):
            raise ValueError("tick_size and lot_size are given together")
        initial, maintenance = self.initial_margin, self.maintenance_margin
        if initial is not None and maintenance is not None and maintenance > initial:
            raise ValueError("maintenance_margin must not be more than initial_margin")
        wrong = [
            name for name in ("stamp", "newest_first", "funding") if name in self.model_fields_set and not self.file
        ]
        if wrong:
            raise ValueError(f"{wrong[0]} is of a file")
        return self


class PlannedStrategy(Section):
    """One strategy; no instruments = all of the sources."""

    id: Text
    kind: Text
    instruments: list[Text] = Field(default_factory=list)
    params: dict[str, Any] = Field(default_factory=dict)
    each: bool | None = None
    """One such strategy for each instrument, called ID-BASE; left out: where the kind takes one instrument alone."""
    account: Literal["shared", "own"] = "shared"
    priority: int = Field(default=5, ge=0, le=9)
    position_age_ns: DurationNs = Field(default=0, alias="position_age")


class VenueTerms(Section):
    """Where the exchange of one venue differs from the section `paper` of the settings."""

    feed_latency_ms: Count | None = None
    entry_latency_ms: Count | None = None
    response_latency_ms: Count | None = None
    jitter_ms: Count | None = None
    fill_model: Literal["next_open", "ohlc_path", "same_close"] | None = None
    queue_model: Literal["risk_averse", "power"] | None = None
    queue_power: AtLeastOne | None = None


class PlanFile(Section):
    """The whole file."""

    name: Text = ""
    """For people: printed with the result."""
    strategies: list[PlannedStrategy] = Field(min_length=1)
    sources: list[SourceSection] = Field(min_length=1)
    span: SpanSection = SpanSection()
    deposit: Positive = Decimal(100_000)
    """Of each account: one a venue, and one for each strategy that has its own."""
    approver: Literal["auto", "never"] = "auto"
    seed: Count = 7
    """Of simulated markets."""
    venues: dict[str, VenueTerms] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    """As a settings file has it: laid over the one of --config."""


class Checked(NamedTuple):
    """A plan without mistakes, the settings that it comes to, and where its files and strategies are."""

    plan: PlanFile
    config: Config
    base: Path
    folder: Path


def load_plan(path: Path, config: Path | None = None, folder: Path | None = None) -> Checked:
    """Read a plan over a settings file. Raises `Problems` with every mistake, its line and its path."""
    return check_plan(plan_tree(path), path.parent, config, folder)


def plan_tree(path: Path) -> Node:
    """Tree of a plan's file. Raises `Problems` that are the plan's."""
    if not path.exists():
        raise Problems([Problem(Place(str(path)), (), "there is no such file")], WHAT)
    try:
        return read_tree(path)
    except Problems as error:
        raise Problems(error.problems, WHAT) from None


def check_plan(
    tree: Node, base: Path, config: Path | None = None, folder: Path | None = None, what: str = WHAT
) -> Checked:
    """The same of a tree; files are relative to `base`, strategies of the user's are in `folder`, else in `base`.

    `what` has the mistakes, in the error's first line.
    """
    folder = folder if folder is not None else base
    if not isinstance(tree.value, dict):
        raise Problems([Problem(tree.place, (), "expected keys and values at the top of the file")], what)
    problems: list[Problem] = []
    plan: PlanFile | None = None
    found: Config | None = None
    try:
        plan = PlanFile.model_validate(plain(tree))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path: KeyPath = detail["loc"]
            problems.append(_problem(tree, path, sentence(detail, path, PlanFile), is_key=_is_extra(detail["type"])))
    problems += [_problem(tree, path, text) for path, text in _findings(plain(tree), base, folder)]
    settings = tree.value.get("settings")
    try:
        found = load_for_test(config, _settings(settings, problems))
    except Problems as error:
        inside = settings.place.file if settings is not None else ""
        problems += [
            Problem(p.place, ("settings", *p.path), p.text) if p.place.file == inside else p for p in error.problems
        ]
    if problems or plan is None or found is None:
        raise Problems(problems, what)
    return Checked(plan, found, base, folder)


def _is_extra(kind: str) -> bool:
    return kind == "extra_forbidden"


def _problem(tree: Node, path: KeyPath, text: str, *, is_key: bool = False) -> Problem:
    node = find(tree, path)
    return Problem(node.key_place if is_key and node.key_place else node.place, path, text)


def _settings(node: Node | None, problems: list[Problem]) -> Node:
    """The part of the settings that a test may lay over those of the file."""
    if node is None or not isinstance(node.value, dict):
        return Node({}, Place(WHAT))
    for name, child in node.value.items():
        if name not in IN_A_TEST:
            text = f"means nothing in a backtest; what does: {', '.join(sorted(IN_A_TEST))}"
            problems.append(Problem(child.key_place or child.place, ("settings", name), text))
    return Node({name: child for name, child in node.value.items() if name in IN_A_TEST}, node.place)


def _findings(values: dict[str, Any], base: Path, folder: Path) -> Iterator[tuple[KeyPath, str]]:
    """What one section cannot know alone, of every section that is right in itself."""
    for i, source in _sections(values.get("sources"), SourceSection):
        for key, name in (("file", source.file), ("funding", source.funding)):
            if name and not (base / name).is_file():
                wrong = "it is a folder, name a file in it" if (base / name).is_dir() else "no such file"
                yield ("sources", i, key), f"{base / name}: {wrong}"
    venues = values.get("venues")
    for venue in venues if isinstance(venues, dict) else ():
        if not venue.isupper():
            yield ("venues", venue), f"a venue's name is as in its instruments, such as {venue.upper() or 'BINANCE'}"
    seen: set[str] = set()
    for i, tested in _sections(values.get("strategies"), PlannedStrategy):
        path: KeyPath = ("strategies", i)
        if problem := strategy_id_problem(tested.id):
            yield (*path, "id"), problem
        if tested.id in seen:
            yield (*path, "id"), f"the id {tested.id!r} stands twice; ids are unique"
        seen.add(tested.id)
        for where, text in _parameters(tested, folder):
            yield (*path, *where), text


def _sections(items: Any, model: type[S]) -> Iterator[tuple[int, S]]:  # noqa: ANN401 - from a file
    for i, item in enumerate(items if isinstance(items, list) else ()):
        try:
            yield i, model.model_validate(item)
        except ValidationError:
            continue


def _parameters(tested: PlannedStrategy, folder: Path) -> Iterator[tuple[KeyPath, str]]:
    """The strategy exists and takes these parameters."""
    try:
        model = registry.load(tested.kind, folder).strategy.params_type
    except StrategyError as error:
        yield ("kind",), str(error)
        return
    try:
        model.model_validate({key: natural(value) for key, value in tested.params.items()})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            where = detail["loc"]
            takes = range_of(model, str(where[0])) if where else ""
            text = shown(sentence(detail, where, model))
            yield ("params", *where), f"{text} (it takes {takes})" if takes else text
    except Exception as error:  # noqa: BLE001 - the model of a user's file may raise anything
        yield ("params",), f"{tested.kind} cannot check its parameters: {error_text(error)}"
