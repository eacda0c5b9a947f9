"""The first tables: orders, fills, positions, equity, commands and what else facts tell."""

import sqlalchemy as sa
from alembic import op

from engine.storage.schema import Exact

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    alerts()
    commands()
    projection_cursor()
    equity()
    fills()
    orders()
    positions()
    refusals()
    requests()
    strategies()
    trading_states()


def alerts() -> None:
    """Make `alerts`."""
    op.create_table(
        "alerts",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )


def commands() -> None:
    """Make `commands`."""
    op.create_table(
        "commands",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )


def projection_cursor() -> None:
    """Make `projection_cursor`."""
    op.create_table(
        "projection_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("journal", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def equity() -> None:
    """Make `equity`."""
    op.create_table(
        "equity",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("cash", Exact(), nullable=False),
        sa.Column("unrealised", Exact(), nullable=False),
        sa.Column("equity", Exact(), nullable=False),
        sa.Column("realised", Exact(), nullable=False),
        sa.Column("fees", Exact(), nullable=False),
        sa.Column("funding", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )
    op.create_index("equity_account", "equity", ["account", "seq"], unique=False)


def fills() -> None:
    """Make `fills`."""
    op.create_table(
        "fills",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("cid", sa.Text(), nullable=False),
        sa.Column("fill_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("liquidity", sa.Text(), nullable=False),
        sa.Column("price_int", sa.BigInteger(), nullable=False),
        sa.Column("qty_int", sa.BigInteger(), nullable=False),
        sa.Column("price", Exact(), nullable=True),
        sa.Column("qty", Exact(), nullable=True),
        sa.Column("fee", Exact(), nullable=False),
        sa.Column("realised", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )
    op.create_index("fills_ts", "fills", ["ts_ns"], unique=False)


def orders() -> None:
    """Make `orders`."""
    op.create_table(
        "orders",
        sa.Column("cid", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("qty_int", sa.BigInteger(), nullable=False),
        sa.Column("price_int", sa.BigInteger(), nullable=False),
        sa.Column("trigger_int", sa.BigInteger(), nullable=False),
        sa.Column("filled_int", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("qty", Exact(), nullable=True),
        sa.Column("price", Exact(), nullable=True),
        sa.Column("trigger", Exact(), nullable=True),
        sa.Column("filled", Exact(), nullable=True),
        sa.PrimaryKeyConstraint("cid"),
    )
    op.create_index("orders_created", "orders", ["created_ns"], unique=False)


def positions() -> None:
    """Make `positions`."""
    op.create_table(
        "positions",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("qty_int", sa.BigInteger(), nullable=False),
        sa.Column("qty", Exact(), nullable=True),
        sa.Column("entry_value", Exact(), nullable=False),
        sa.Column("realised", Exact(), nullable=False),
        sa.Column("fees", Exact(), nullable=False),
        sa.Column("funding", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("account", "instrument", "owner"),
    )


def refusals() -> None:
    """Make `refusals`."""
    op.create_table(
        "refusals",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )


def requests() -> None:
    """Make `requests`."""
    op.create_table(
        "requests",
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("votes", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("votes_needed", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request"),
    )


def strategies() -> None:
    """Make `strategies`."""
    op.create_table(
        "strategies",
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("strategy"),
    )


def trading_states() -> None:
    """Make `trading_states`."""
    op.create_table(
        "trading_states",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )


def downgrade() -> None:
    """Drop the tables; they can be rebuilt."""
    for name in (
        "alerts", "commands", "equity", "fills", "orders", "positions", "projection_cursor", "refusals", "requests",
        "strategies", "trading_states",
    ):  # fmt: skip
        op.drop_table(name)
