"""What performance is counted from: money that moved without a fill, and open positions valued with each sample.

Overrides have a table too: until now they had none, and every one of them was skipped with an error.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.storage.schema import Exact

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def of_a_fact() -> list[sa.Column[Any]]:
    """What every row says of the fact that wrote it."""
    return [
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
    ]


def texts(*names: str) -> list[sa.Column[Any]]:
    """Columns of words."""
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cash_moves",
        *of_a_fact(),
        *texts("kind", "account", "instrument", "owner", "ref"),
        sa.Column("amount", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )
    op.create_table(
        "position_samples",
        *of_a_fact(),
        *texts("account", "instrument", "owner"),
        sa.Column("price_int", sa.BigInteger(), nullable=False),
        sa.Column("qty_int", sa.BigInteger(), nullable=False),
        sa.Column("price", Exact(), nullable=True),
        sa.Column("qty", Exact(), nullable=True),
        sa.Column("unrealised", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )
    op.create_table(
        "overrides",
        *of_a_fact(),
        *texts("rule", "scope", "persons", "reason", "request", "ended"),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("value", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )
    op.create_index("equity_ts", "equity", ["ts_ns"])


def downgrade() -> None:
    """Drop the tables; they can be rebuilt."""
    op.drop_index("equity_ts", "equity")
    for name in ("overrides", "position_samples", "cash_moves"):
        op.drop_table(name)
