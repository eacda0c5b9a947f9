"""What became of the breakers of the matrix."""

import sqlalchemy as sa
from alembic import op

from engine.storage.schema import Exact

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make `breakers`."""
    op.create_table(
        "breakers",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("measure", Exact(), nullable=False),
        sa.Column("threshold", Exact(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "idx"),
    )


def downgrade() -> None:
    """Drop the table; it can be rebuilt."""
    op.drop_table("breakers")
