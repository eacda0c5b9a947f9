"""A file that is written to while a run is made of it is refused: its hash would vouch for other rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import DataError
from research import market_data
from research.market_data import FileOptions, open_file
from tests.research.test_backtest import CORE, bar_file


def test_bars_that_a_recorder_goes_on_writing_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = bar_file(tmp_path), market_data._hash

    def and_a_row_comes(*paths: Path | None) -> str:
        with path.open("a") as file:
            file.write("\n")
        return real(*paths)

    monkeypatch.setattr(market_data, "_hash", and_a_row_comes)
    with pytest.raises(DataError, match=r"BTC_USDC-1m\.csv was written to while it was in use"):
        open_file(path, FileOptions(fees=CORE.instruments[0]))
    monkeypatch.undo()
    assert open_file(path, FileOptions(fees=CORE.instruments[0])).rows == 300


def test_a_tape_that_is_replaced_before_or_while_it_is_played_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "usdm_btcusdt_20240808.txt"
    line = (
        '{} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":{},"T":{},"s":"BTCUSDT","t":{},"p":"50000.{}",'
        '"q":"0.01","X":"MARKET","m":false}}}}\n'
    )
    first_ns = 1_723_100_000_000_000_000
    with path.open("w") as file:
        for n in range(40):
            at_ms = first_ns // 1_000_000 + n * 100
            file.write(line.format(first_ns + n * 100_000_000, at_ms, at_ms, n + 1, n % 10))
    options = FileOptions(instrument="BTC-USDT-PERP.BINANCE", kind=market_data.DataKind.L2, fees=CORE.instruments[0])
    source = open_file(path, options)
    whole = len(list(source.tape(0)))
    assert whole
    events = source.tape(0)
    next(events)
    path.rename(tmp_path / "before.txt")
    path.write_bytes((tmp_path / "before.txt").read_bytes()[:-1])
    with pytest.raises(DataError, match="was written to while it was in use"):
        list(events)
    with pytest.raises(DataError, match="was written to while it was in use"):
        next(source.tape(0))
