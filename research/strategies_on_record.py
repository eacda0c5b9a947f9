"""The figures of docs/strategies.md: every built-in strategy over the recorded data, as they come out.

    .venv/bin/python -m research.strategies_on_record [DATA_FOLDER]

Parameters are the defaults unless a row names them; nothing is fitted here. A row is the last 40 % of its data, which
nothing before it was chosen by, with what the whole gave beside it; recordings of minutes are taken whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from engine.config import load_config
from research.backtest import BacktestSettings, run_plan
from research.market_data import FileOptions, MarketData, open_file, simulated
from research.measures import Figure, Measures, measure
from research.plan import Plan, Tested
from research.result import Result

CORE = load_config(None).to_settings()
HELD_BACK = 0.4
"""Share of the data that a row is about."""
SIMULATED_NS = 1_760_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
BTC_5M, BTC_1M, BTC_1D = "candles/BTC_USDT_PERP-5m.parquet", "candles/BTC_PERP-1m.parquet", "candles/BTCUSD-1d.parquet"
ALTS = tuple(f"candles/{name}_BTC-5m.parquet" for name in ("ETH", "ADA", "DASH", "ETC", "TRX", "XLM"))
USDM, SPOT = "l2/usdm_btcusdt_20240808.gz", "l2/spot_btcusdt_20240808.gz"
CLASSIC = {"take_profit_pct": 0.0, "max_units": 4, "style": "take", "strength": 0.05}
MAKER = {"qty": 0.01, "max_position": 0.05}


class Row(Struct, frozen=True, kw_only=True):
    """One run: a kind over files, with what differs from its defaults."""

    kind: str
    files: tuple[str, ...]
    params: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Instruments of the files, where their names do not tell."""


CANDLES = (
    Row(kind="turtle", files=(BTC_5M,)),
    Row(kind="turtle", files=(BTC_1M,)),
    Row(kind="turtle", files=(BTC_1D,), params=CLASSIC | {"entry_bars": 20, "exit_bars": 10}),
    Row(kind="turtle", files=(BTC_1D,), params=CLASSIC | {"entry_bars": 55, "exit_bars": 20}),
    Row(kind="consolidation", files=(BTC_5M,)),
    Row(kind="consolidation", files=(BTC_5M,), params={"variant": "break"}),
    Row(kind="consolidation", files=(BTC_1M,)),
    Row(kind="nadaraya_watson", files=(BTC_5M,)),
    Row(kind="nadaraya_watson", files=(BTC_1M,)),
    Row(kind="mean_reversion", files=(BTC_5M,)),
    Row(kind="mean_reversion", files=ALTS),
    Row(kind="lead_lag", files=ALTS),
    Row(kind="pairs", files=(ALTS[0], ALTS[3])),
    Row(kind="pairs", files=(ALTS[3], ALTS[4])),
    Row(kind="pairs", files=(ALTS[1], ALTS[5])),
)
BOOKS = (
    Row(kind="market_maker", files=(USDM,), params=MAKER),
    Row(kind="calibrated_maker", files=(USDM,), params=MAKER),
    Row(kind="market_maker", files=(SPOT,), params=MAKER),
    Row(kind="calibrated_maker", files=(SPOT,), params=MAKER),
    Row(kind="arbitrage", files=(USDM, SPOT), names=("BTC-USDT-PERP.USDM", "BTC-USDT-PERP.SPOT")),
)
SYNTHETIC = (
    Row(kind="market_maker", files=("simulated BTC, 4 h",), params=MAKER),
    Row(kind="turtle", files=("simulated BTC, 4 h",), params={"interval_s": 60}),
    Row(kind="nadaraya_watson", files=("simulated BTC, 4 h",), params={"interval_s": 60}),
)


def sources(row: Row, folder: Path) -> tuple[MarketData, ...]:
    """The data of a row."""
    if row.files[0].startswith("simulated"):
        return (simulated(CORE.instruments[0], 7, SIMULATED_NS, 4 * HOUR_NS),)
    names = row.names or ("",) * len(row.files)
    return tuple(
        open_file(folder / file, FileOptions(instrument=name, tolerate_gaps=True, fees=CORE.instruments[0]))
        for file, name in zip(row.files, names, strict=True)
    )


def run(row: Row, folder: Path, *, held_back: bool) -> tuple[Result, Measures]:
    """Run a row over its data, or over the part that is held back."""
    found = sources(row, folder)
    plan = Plan(strategies=(Tested(id=row.kind, kind=row.kind, params=row.params),))
    if held_back:
        first, last = max(one.first_ns for one in found), min(one.last_ns for one in found)
        plan = replace(plan, start_ns=last - int((last - first) * HELD_BACK))
    result = run_plan(plan, found, BacktestSettings(core=CORE, deposit=Decimal(100_000))).result
    return result, measure(result)


def told(value: Figure, scale: float = 1.0, unit: str = "") -> str:
    """A figure with its interval, or why there is none."""
    if value.value is None:
        return value.caveat.partition(", at least")[0]
    if value.low is None or value.high is None:
        return f"{value.value * scale:.2f}{unit}"
    return f"{value.value * scale:.2f}{unit} ({value.low * scale:.2f} to {value.high * scale:.2f})"


def line(row: Row, folder: Path, *, is_split: bool) -> str:
    """One line of a table."""
    whole = run(row, folder, held_back=False)
    result, found = run(row, folder, held_back=True) if is_split else whole
    data = ", ".join(Path(file).name.partition(".")[0].removesuffix("_BTC-5m") for file in row.files)
    params = ", ".join(f"{name} {value}" for name, value in row.params.items()) or "defaults"
    holding = f"{found.benchmark.growth:+.1%}" if found.benchmark is not None else "unknown"
    cells = [row.kind, data, params, f"{found.days:.1f}", str(found.trips.count), f"{found.pnl:+,.2f}"]
    cells += [f"{found.costs.gross:+,.2f}", told(found.sharpe), f"{found.drawdowns.deepest.fraction:.2%}"]
    cells += [told(found.trips.win_rate, 100, " %"), holding]
    cells += [f"{whole[1].pnl:+,.2f} ({whole[1].trips.count})"] if is_split else []
    return f"| {' | '.join(cells)} | `{result.provenance.run_id[:12]}` |"


def table(rows: Sequence[Row], folder: Path, *, is_split: bool) -> Iterator[str]:
    """A table of runs."""
    heads = ["kind", "data", "parameters", "days", "trades", "PNL", "before costs", "Sharpe", "deepest fall"]
    heads += ["win rate", "holding", *(["whole: PNL (trades)"] if is_split else []), "run"]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield line(row, folder, is_split=is_split)


def main() -> None:
    """Print the tables."""
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MOONDEV_DATA_DIR", "../shared/data")
    for name, rows, is_split in (("Bars", CANDLES, True), ("Books", BOOKS, False), ("Synthetic", SYNTHETIC, False)):
        print(f"\n### {name}\n")  # noqa: T201 - a program that prints
        for text in table(rows, Path(given), is_split=is_split):
            print(text, flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
