"""What was typed on the command line, as the settings and sources of a study."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from msgspec import ValidationError, convert

from domain.errors import ConfigError
from engine.cli import when_ns
from engine.config import load_config
from engine.config.parts import paper_fields
from engine.data.importers import Stamp
from engine.data.store.series import parse_interval
from exchanges.paper.config import FillModel, PaperConfig
from research.market_data import DataKind
from research.optimise.source import DataSource
from research.prepare import BacktestSettings
from research.stored import END_NS


def settings_of(config: Path | None, *, fill_model: str, deposit: float) -> BacktestSettings:
    """The world of the trials, as `moondev backtest` has it. Raises `ConfigError`."""
    loaded = load_config(config)
    paper = paper_fields(loaded) | ({"fill_model": fill_model} if fill_model else {})
    try:
        exchange = convert(paper, PaperConfig)
    except ValidationError as error:
        choices = ", ".join(FillModel)
        raise ConfigError(f"paper: {error}; fill models are {choices}") from error
    return BacktestSettings(
        core=loaded.to_settings(),
        paper=exchange,
        deposit=Decimal(repr(deposit)),
        conflate_ns=loaded.data_feed.conflate_ns,
    )


def sources_of(  # noqa: PLR0913 - one each
    *,
    files: Sequence[Path],
    stored: Sequence[str],
    simulated: tuple[float, int, int],
    instrument: str,
    kind: str,
    stamp: str,
    tolerate_gaps: bool,
    funding: Path | None,
    span: tuple[str, str],
    interval: str,
    store: Path,
) -> tuple[DataSource, ...]:
    """Where the data comes from. Paths are made whole, so that other processes find them. Raises `ConfigError`."""
    hours, seed, first_ns = simulated
    if [bool(files), bool(stored), bool(hours)].count(True) != 1:
        raise ConfigError("say what to run over: --data FILE, --stored INSTRUMENT, or --simulated-hours H")
    try:
        of_kind = DataKind(kind) if kind else None
        stamped = Stamp(stamp)
    except ValueError as error:
        raise ConfigError(
            f"{error}: kinds are {', '.join(DataKind)}, stamps {', '.join(item.value for item in Stamp)}"
        ) from None
    if files:
        if instrument and len(files) > 1:
            raise ConfigError("--instrument names one instrument: with several files each is told from its name")
        return tuple(
            DataSource(
                path=str(path.resolve()),
                instrument=instrument,
                kind=of_kind,
                stamp=stamped,
                tolerate_gaps=tolerate_gaps,
                funding=str(funding.resolve()) if funding else "",
            )
            for path in files
        )
    if stored:
        return tuple(
            DataSource(
                stored=name,
                kind=of_kind,
                tolerate_gaps=tolerate_gaps,
                store=str(store.resolve()),
                start_ns=when_ns(span[0]) if span[0] else 0,
                end_ns=when_ns(span[1]) if span[1] else END_NS,
                interval_ns=parse_interval(interval) if interval else 0,
            )
            for name in stored
        )
    return (DataSource(simulated_hours=hours, seed=seed, first_ns=first_ns, instrument=instrument),)
