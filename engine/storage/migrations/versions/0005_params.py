"""Who gave a strategy which parameters, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; what was changed before is in it once the projection is made anew."""
    op.create_table(
        "params",
        sa.Column("seq", sa.BigInteger(), nullable=False, autoincrement=False, primary_key=True),
        sa.Column("idx", sa.Integer(), nullable=False, autoincrement=False, primary_key=True),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("strategy", "kind", "by", "agreed", "before", "after", "source_hash")
        ),
        sa.Column("is_load", sa.Boolean(), nullable=False),
    )
    op.create_index("params_strategy", "params", ["strategy", "seq"])


def downgrade() -> None:
    """Drop it; it can be rebuilt."""
    op.drop_index("params_strategy", "params")
    op.drop_table("params")
