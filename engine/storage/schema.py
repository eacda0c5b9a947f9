"""The tables. Rows carry (seq, idx) of the fact that wrote them.

Prices and quantities stand twice: as the integers of the instrument's scale and as decimals, both exact.
Money is NUMERIC where the database keeps it exactly (PostgreSQL) and text where it does not (SQLite).
Enumerations are their lower-case names. The one row of `projection_cursor` says up to which fact everything is applied.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Numeric, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


class Exact(TypeDecorator[Decimal]):
    """A Decimal that comes back as it went in: NUMERIC on PostgreSQL, text elsewhere."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ANN401 - the driver's type
        """Plain notation for text."""
        if value is None or dialect.name == "postgresql":
            return value
        return f"{value:f}"

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002, ANN401
        """Back to Decimal."""
        return None if value is None else Decimal(value)


metadata = MetaData()


def _fact_columns(*, key: bool) -> list[Column[Any]]:
    return [
        Column("seq", BigInteger, primary_key=key, autoincrement=False, nullable=False),
        Column("idx", Integer, primary_key=key, autoincrement=False, nullable=False),
        Column("ts_ns", BigInteger, nullable=False),
    ]


def _texts(*names: str) -> list[Column[Any]]:
    return [Column(name, Text, nullable=False) for name in names]


def _keys(*names: str) -> list[Column[Any]]:
    return [Column(name, Text, primary_key=True) for name in names]


def _integers(*names: str) -> list[Column[Any]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def _decimals(*names: str, nullable: bool = False) -> list[Column[Any]]:
    return [Column(name, Exact, nullable=nullable) for name in names]


cursor = Table(
    "projection_cursor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("journal", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("skipped", BigInteger, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    *_keys("cid"),
    *_fact_columns(key=False),
    *_texts("owner", "account", "instrument", "side", "kind", "role", "status", "entry", "reason"),
    Column("reduce_only", Boolean, nullable=False),
    *_integers("qty_int", "price_int", "trigger_int", "filled_int", "created_ns"),
    *_decimals("qty", "price", "trigger", "filled", nullable=True),
    Index("orders_created", "created_ns"),
)

fills = Table(
    "fills",
    metadata,
    *_fact_columns(key=True),
    *_texts("account", "instrument", "owner", "cid", "fill_id", "role", "side", "liquidity"),
    *_integers("price_int", "qty_int"),
    *_decimals("price", "qty", nullable=True),
    *_decimals("fee", "realised"),
    Index("fills_ts", "ts_ns"),
)

positions = Table(
    "positions",
    metadata,
    *_keys("account", "instrument", "owner"),
    *_fact_columns(key=False),
    *_integers("qty_int"),
    *_decimals("qty", nullable=True),
    *_decimals("entry_value", "realised", "fees", "funding"),
)

equity = Table(
    "equity",
    metadata,
    *_fact_columns(key=True),
    *_texts("account"),
    *_decimals("cash", "unrealised", "equity", "realised", "fees", "funding"),
    Index("equity_account", "account", "seq"),
    Index("equity_ts", "ts_ns"),
)

commands = Table(
    "commands",
    metadata,
    *_fact_columns(key=True),
    *_texts("request_id", "person", "door", "verb", "text", "reason", "request"),
    Column("ok", Boolean, nullable=False),
)

strategies = Table(
    "strategies",
    metadata,
    *_keys("strategy"),
    *_fact_columns(key=False),
    *_texts("kind", "account", "status", "detail"),
)

requests = Table(
    "requests",
    metadata,
    *_keys("request"),
    *_fact_columns(key=False),
    *_texts("what", "requester", "status", "votes", "digest", "text"),
    *_integers("votes_needed", "expires_ns"),
)

alerts = Table("alerts", metadata, *_fact_columns(key=True), *_texts("severity", "kind", "text", "labels"))

refusals = Table("refusals", metadata, *_fact_columns(key=True), *_texts("strategy", "instrument", "reason", "detail"))

trading_states = Table("trading_states", metadata, *_fact_columns(key=True), *_texts("state", "by", "reason"))

breakers = Table(
    "breakers",
    metadata,
    *_fact_columns(key=True),
    *_texts("name", "scope", "state", "actions", "why"),
    *_integers("until_ns"),
    *_decimals("measure", "threshold"),
)

overrides = Table(
    "overrides",
    metadata,
    *_fact_columns(key=True),
    *_texts("rule", "scope", "persons", "reason", "request", "ended"),
    *_integers("since_ns", "until_ns"),
    *_decimals("value"),
)

cash_moves = Table(
    "cash_moves",
    metadata,
    *_fact_columns(key=True),
    *_texts("kind", "account", "instrument", "owner", "ref"),
    *_decimals("amount"),
)

position_samples = Table(
    "position_samples",
    metadata,
    *_fact_columns(key=True),
    *_texts("account", "instrument", "owner"),
    *_integers("price_int", "qty_int"),
    *_decimals("price", "qty", nullable=True),
    *_decimals("unrealised"),
)

params = Table(
    "params",
    metadata,
    *_fact_columns(key=True),
    *_texts("strategy", "kind", "by", "agreed", "before", "after", "source_hash"),
    Column("is_load", Boolean, nullable=False),
    Index("params_strategy", "strategy", "seq"),
)

PROJECTED = (
    orders, fills, positions, equity, commands, strategies, requests, alerts, refusals, trading_states, breakers,
    overrides, cash_moves, position_samples, params,
)  # fmt: skip
"""Everything that is rebuilt from facts."""
