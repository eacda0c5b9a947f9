"""What is run over the recorded data: a kind, its files, and what differs from its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct, field

from engine.config import load_config
from research.market_data import FileOptions, MarketData, open_file
from research.optimise.source import DataSource

CORE = load_config(None).to_settings()
BTC_5M, BTC_1M, BTC_1D = "candles/BTC_USDT_PERP-5m.parquet", "candles/BTC_PERP-1m.parquet", "candles/BTCUSD-1d.parquet"
ETH, ADA, DASH, ETC, TRX, XLM = (
    f"candles/{name}_BTC-5m.parquet" for name in ("ETH", "ADA", "DASH", "ETC", "TRX", "XLM")
)
ALTS = (ETH, ADA, DASH, ETC, TRX, XLM)
USDM, SPOT = "l2/usdm_btcusdt_20240808.gz", "l2/spot_btcusdt_20240808.gz"
CLASSIC = {"take_profit_pct": 0.0, "max_units": 4, "style": "take", "strength": 0.05}
SYSTEM_1 = CLASSIC | {"entry_bars": 20, "exit_bars": 10}
SYSTEM_2 = CLASSIC | {"entry_bars": 55, "exit_bars": 20}
SKIPS_1 = {"skip_after_winner": True, "failsafe_bars": 55}
SKIPS_2 = {"skip_after_winner": True, "failsafe_bars": 110}
MAKER = {"qty": 0.01, "max_position": 0.05}


class Case(Struct, frozen=True, kw_only=True):
    """One kind over some files. `title` is for people, `params` what differs from the defaults.

    `names` are the instruments of files whose names do not tell. `space` is what a walk-forward chooses from ("" = none
    is run), `moved` the parameters that are moved one at a time over the same bench.
    """

    kind: str
    title: str
    files: tuple[str, ...]
    params: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    space: str = ""
    moved: tuple[str, ...] = ()

    @property
    def is_ticks(self) -> bool:
        """True for a recording of order books: minutes, which are taken whole."""
        return self.files[0].startswith("l2/")

    @property
    def data(self) -> str:
        """The files, for people."""
        return ", ".join(Path(file).name.partition(".")[0].removesuffix("_BTC-5m") for file in self.files)

    def open(self, folder: Path) -> tuple[MarketData, ...]:
        """The sources. Raises `DataError` where a file is missing."""
        names = self.names or ("",) * len(self.files)
        return tuple(
            open_file(folder / file, FileOptions(instrument=name, tolerate_gaps=True, fees=CORE.instruments[0]))
            for file, name in zip(self.files, names, strict=True)
        )

    def sources(self, folder: Path) -> tuple[DataSource, ...]:
        """The same for a study."""
        names = self.names or ("",) * len(self.files)
        return tuple(
            DataSource(path=str(folder / file), instrument=name, tolerate_gaps=True)
            for file, name in zip(self.files, names, strict=True)
        )


TURTLE_SPACE = "entry_bars=10..100,exit_bars=5..50,stop_atr=1..4"
TURTLE_MOVED = ("entry_bars", "exit_bars", "atr_bars", "stop_atr", "unit_step_atr")
BRACKET = ("stop_pct", "take_profit_pct")
BOX_SPACE = "window=10..40,tight_pct=0.35..1,stop_pct=0.15..0.5,take_profit_pct=0.15..0.6"
BOX = ("window", "tight_pct", *BRACKET)
PATH = ("bandwidth", "rsi_bars", "stochastic_bars", "oversold", "stop_pct")
CASES: tuple[Case, ...] = (
    Case(
        kind="turtle",
        title="20/10, daily bars",
        files=(BTC_1D,),
        params=SYSTEM_1,
        space=TURTLE_SPACE,
        moved=TURTLE_MOVED,
    ),
    Case(kind="turtle", title="20/10, skips after a winner, daily bars", files=(BTC_1D,), params=SYSTEM_1 | SKIPS_1),
    Case(kind="turtle", title="55/20, daily bars", files=(BTC_1D,), params=SYSTEM_2),
    Case(kind="turtle", title="55/20, skips after a winner, daily bars", files=(BTC_1D,), params=SYSTEM_2 | SKIPS_2),
    Case(
        kind="turtle",
        title="the user's: near take-profit, 5-minute bars",
        files=(BTC_5M,),
        space="entry_bars=20..100,stop_atr=1..4,take_profit_pct=0.1..1",
        moved=("entry_bars", "atr_bars", "stop_atr", "take_profit_pct"),
    ),
    Case(kind="turtle", title="the user's, 1-minute bars", files=(BTC_1M,)),
    Case(
        kind="lead_lag",
        title="ETH leads five alts, 5-minute bars",
        files=ALTS,
        space="level_bars=10..40,min_lag_pct=0.05..0.4,stop_pct=0.1..0.4,take_profit_pct=0.15..0.6",
        moved=("level_bars", "range_factor", "min_lag_pct", *BRACKET, "hold_bars"),
    ),
    Case(
        kind="pairs",
        title="ADA, XLM, 5-minute bars",
        files=(ADA, XLM),
        space="entry_z=1.5..3,window=250..750,max_half_life=50..200",
        moved=("window", "entry_z", "exit_z", "max_half_life", "cost_factor"),
    ),
    Case(kind="pairs", title="ETC, TRX, 5-minute bars", files=(ETC, TRX)),
    Case(kind="pairs", title="ETH, ETC, 5-minute bars", files=(ETH, ETC)),
    Case(
        kind="consolidation",
        title="inside the range, 5-minute bars",
        files=(BTC_5M,),
        space=BOX_SPACE,
        moved=BOX,
    ),
    Case(
        kind="consolidation",
        title="the break, 5-minute bars",
        files=(BTC_5M,),
        params={"variant": "break"},
        space=BOX_SPACE,
        moved=BOX,
    ),
    Case(kind="consolidation", title="inside the range, 1-minute bars", files=(BTC_1M,)),
    Case(kind="consolidation", title="the break, 1-minute bars", files=(BTC_1M,), params={"variant": "break"}),
    Case(
        kind="nadaraya_watson",
        title="5-minute bars",
        files=(BTC_5M,),
        space="bandwidth=4..24,rsi_bars=7..28,stop_pct=1..4,trigger",
        moved=PATH,
    ),
    Case(kind="nadaraya_watson", title="1-minute bars", files=(BTC_1M,)),
    Case(
        kind="mean_reversion",
        title="one market, quarter hours",
        files=(BTC_5M,),
        params={"interval_s": 900},
        space="bars=10..40,k=1..3,stop_pct=0.5..2,take_profit_pct=0.5..2",
        moved=("bars", "k", *BRACKET, "max_variance_ratio"),
    ),
    Case(
        kind="mean_reversion",
        title="six alts, 5-minute bars",
        files=ALTS,
        space="bars=10..40,k=1..3,stop_pct=0.5..2,take_profit_pct=0.5..2",
    ),
    Case(kind="market_maker", title="a perpetual's book", files=(USDM,), params=MAKER),
    Case(kind="market_maker", title="a spot book, taken for a contract's", files=(SPOT,), params=MAKER),
    Case(kind="calibrated_maker", title="a perpetual's book", files=(USDM,), params=MAKER),
    Case(kind="calibrated_maker", title="a spot book, taken for a contract's", files=(SPOT,), params=MAKER),
    Case(
        kind="arbitrage",
        title="a perpetual's book and the spot book, taken for a contract's",
        files=(USDM, SPOT),
        names=("BTC-USDT-PERP.USDM", "BTC-USDT-PERP.SPOT"),
    ),
)
