"""What alerts are about."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the labels; alerts of before have none."""
    op.add_column("alerts", sa.Column("labels", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    """Drop them; they can be rebuilt."""
    op.drop_column("alerts", "labels")
