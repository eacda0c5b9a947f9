"""What was typed on the command line, as the settings and sources of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import ValidationError, convert

from domain.errors import ConfigError
from engine.cli import when_ns
from engine.config import load_config
from engine.config.parts import paper_fields
from engine.data.importers import Stamp
from engine.data.store.series import parse_interval
from exchanges.paper.config import FillModel, PaperConfig
from research.market_data import DataKind
from research.opening import SIMULATED_START_NS
from research.optimise.run import MOST_NAME, Asked
from research.optimise.source import DataSource
from research.params import parse_params
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


def asked_of(typed: Mapping[str, Any], command: str) -> Asked:
    """What the options of `moondev optimise` ask for.

    Raises `ConfigError` that names the option.
    """
    strategies = typed["strategies"]
    sources = sources_of(typed)
    strategy = typed["strategy"]
    return Asked(
        name=typed["study"] or f"{Path(strategy.partition(':')[0]).stem}-{sources[0].short}"[:MOST_NAME],
        strategy=strategy,
        sources=sources,
        settings=settings_of(typed["config"], fill_model=typed["fill_model"], deposit=typed["deposit"]),
        folder=str(strategies.resolve()) if strategies else "",
        space=typed["space"],
        params=parse_params(typed["params"]),
        objective=typed["objective"],
        across=chosen("--across", typed["across"], ("whole", "median", "worst")),
        runs=typed["trials"],
        seed=typed["seed"],
        sampler=chosen("--sampler", typed["sampler"], ("tpe", "random", "nsga2")),
        even=typed["even"],
        folds=typed["folds"],
        held_out=typed["hold_out"],
        embargo=typed["embargo"],
        prune=typed["prune"],
        lag=typed["lag"],
        least_trades=typed["least_trades"],
        command=command,
    )


def chosen(option: str, text: str, choices: Sequence[str]) -> Any:  # noqa: ANN401 - one of the choices
    """A text that is one of the choices. Raises `ConfigError`."""
    if text not in choices:
        raise ConfigError(f"{option} {text!r}: choose {', '.join(choices)}")
    return text


def sources_of(typed: Mapping[str, Any]) -> tuple[DataSource, ...]:
    """Where the data comes from. Paths are made whole, so that other processes find them. Raises `ConfigError`."""
    files, stored, hours = typed["data"] or [], typed["stored"] or [], typed["simulated_hours"]
    if [bool(files), bool(stored), bool(hours)].count(True) != 1:
        raise ConfigError("say what to run over: --data FILE, --stored INSTRUMENT, or --simulated-hours H")
    kind = chosen("--kind", typed["kind"], [*DataKind, ""])
    stamp = chosen("--stamp", typed["stamp"], [item.value for item in Stamp])
    of_kind, instrument = DataKind(kind) if kind else None, typed["instrument"]
    if instrument and len(files) > 1:
        raise ConfigError("--instrument names one instrument: with several files each is told from its name")
    if hours:
        start_ns = SIMULATED_START_NS
        return (DataSource(simulated_hours=hours, seed=typed["seed"], first_ns=start_ns, instrument=instrument),)
    if files:
        funding = typed["funding"]
        paid = str(funding.resolve()) if funding else ""
        told = {"instrument": instrument, "kind": of_kind, "stamp": Stamp(stamp), "funding": paid}
        return tuple(
            DataSource(path=str(path.resolve()), tolerate_gaps=typed["tolerate_gaps"], **told) for path in files
        )
    since, until, interval = typed["start"], typed["end"], typed["interval"]
    return tuple(
        DataSource(
            stored=name,
            kind=of_kind,
            tolerate_gaps=typed["tolerate_gaps"],
            store=str(typed["data_folder"].resolve()),
            start_ns=when_ns(since) if since else 0,
            end_ns=when_ns(until) if until else END_NS,
            interval_ns=parse_interval(interval) if interval else 0,
        )
        for name in stored
    )
