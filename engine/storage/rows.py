"""Facts to rows: which table a fact goes to, and what stands there.

A table whose key is (seq, idx) collects; any other table keeps the newest row of each key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Table

from domain.facts import (
    Alerted,
    BreakerChanged,
    CashMoved,
    CommandDone,
    EquitySampled,
    Fact,
    FillBooked,
    OrderChanged,
    OverrideChanged,
    ParamsChanged,
    PositionChanged,
    PositionSampled,
    Refused,
    RequestChanged,
    StrategyChanged,
    TradingStateChanged,
)
from domain.instrument import Instrument, InstrumentId
from engine.storage import schema

Row: TypeAlias = dict[str, Any]
Instruments: TypeAlias = Mapping[InstrumentId, Instrument]


def to_row(fact: Fact, instruments: Instruments) -> tuple[Table, Row]:
    """The table and the row of a fact. Decimals of an instrument that is not known here stay empty."""
    table, special = _TABLES[type(fact)]
    row = msgspec.structs.asdict(fact)
    row["idx"] = row.pop("index")
    if special is not None:
        special(row, fact, instruments)
    for key, value in row.items():
        if type(value) is str and "\0" in value:
            row[key] = value.replace("\0", "")
    return table, row


def _order(row: Row, fact: Any, instruments: Instruments) -> None:  # noqa: ANN401 - the fact of this table
    row["side"] = side_text(fact.side)
    for key in ("kind", "role", "status"):
        row[key] = row[key].name.lower()
    _scaled(row, instruments, prices=("price", "trigger"), quantities=("qty", "filled"))


def _fill(row: Row, fact: Any, instruments: Instruments) -> None:  # noqa: ANN401 - as above
    row["side"] = side_text(fact.side)
    row["role"] = fact.role.name.lower()
    row["liquidity"] = fact.liquidity.name.lower()
    _scaled(row, instruments, prices=("price",), quantities=("qty",))


def _position(row: Row, _fact: Any, instruments: Instruments) -> None:  # noqa: ANN401 - as above
    _scaled(row, instruments, prices=(), quantities=("qty",))


def _sample(row: Row, _fact: Any, instruments: Instruments) -> None:  # noqa: ANN401 - as above
    _scaled(row, instruments, prices=("price",), quantities=("qty",))


def _command(row: Row, fact: Any, _instruments: Instruments) -> None:  # noqa: ANN401 - as above
    actor = row.pop("actor")
    row["person"], row["door"] = actor.person, actor.door.value
    row["reason"] = fact.reason.value if fact.reason else ""


def _request(row: Row, fact: Any, _instruments: Instruments) -> None:  # noqa: ANN401 - as above
    row["status"] = fact.status.value
    row["votes"] = " ".join(fact.votes)


def _override(row: Row, fact: Any, _instruments: Instruments) -> None:  # noqa: ANN401 - as above
    row["persons"] = " ".join(fact.persons)


def _breaker(row: Row, fact: Any, _instruments: Instruments) -> None:  # noqa: ANN401 - as above
    row["actions"] = " ".join(fact.actions)


def _alert(row: Row, fact: Any, _instruments: Instruments) -> None:  # noqa: ANN401 - as above
    row["severity"] = fact.severity.value
    row["labels"] = msgspec.json.encode(fact.labels, order="sorted").decode()


def _params(row: Row, fact: Any, _instruments: Instruments) -> None:  # noqa: ANN401 - as above
    for key in ("before", "after"):
        row[key] = msgspec.json.encode(getattr(fact, key), order="sorted").decode()


def _plain(*keys: str) -> Callable[[Row, Any, Instruments], None]:
    def special(row: Row, _fact: Any, _instruments: Instruments) -> None:  # noqa: ANN401 - as above
        for key in keys:
            row[key] = row[key].value

    return special


def _scaled(row: Row, instruments: Instruments, prices: tuple[str, ...], quantities: tuple[str, ...]) -> None:
    instrument = instruments.get(row["instrument"])
    for keys, decimals in (
        (prices, instrument.price_decimals if instrument else 0),
        (quantities, instrument.qty_decimals if instrument else 0),
    ):
        for key in keys:
            row[key + "_int"] = value = row[key]
            row[key] = Decimal(value).scaleb(-decimals) if instrument else None


def side_text(side: int) -> str:
    """`buy` or `sell`."""
    return "buy" if side > 0 else "sell"


_Special: TypeAlias = Callable[[Row, Any, Instruments], None] | None
_TABLES: Mapping[type[Fact], tuple[Table, _Special]] = {
    OrderChanged: (schema.orders, _order),
    FillBooked: (schema.fills, _fill),
    PositionChanged: (schema.positions, _position),
    EquitySampled: (schema.equity, None),
    CommandDone: (schema.commands, _command),
    StrategyChanged: (schema.strategies, _plain("status")),
    RequestChanged: (schema.requests, _request),
    Alerted: (schema.alerts, _alert),
    Refused: (schema.refusals, _plain("reason")),
    TradingStateChanged: (schema.trading_states, _plain("state")),
    BreakerChanged: (schema.breakers, _breaker),
    OverrideChanged: (schema.overrides, _override),
    CashMoved: (schema.cash_moves, _plain("kind")),
    PositionSampled: (schema.position_samples, _sample),
    ParamsChanged: (schema.params, _params),
}
