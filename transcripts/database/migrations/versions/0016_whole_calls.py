"""Duration and end of a whole call, which may have several streams."""

import sqlalchemy as sa
from alembic import op

from transcripts.database import whole_calls

revision = "16"
down_revision = "15"
branch_labels = None
depends_on = None

_AT_ONCE = 500


def upgrade() -> None:
    """Add the columns and fill them."""
    duration = sa.Column("whole_duration", sa.BigInteger, nullable=False, server_default="0")
    reason = sa.Column("whole_ended_reason", sa.Text, nullable=False, server_default="")
    op.add_column("calls", duration)
    op.add_column("calls", reason)
    op.execute("UPDATE calls SET whole_duration = duration, whole_ended_reason = ended_reason")
    connection = op.get_bind()
    several = sa.text("SELECT root FROM calls GROUP BY root HAVING count(*) > 1")
    roots = list(connection.execute(several).scalars())
    for first in range(0, len(roots), _AT_ONCE):
        whole_calls.update_calls(connection, roots[first : first + _AT_ONCE])
    op.drop_index("calls_by_duration", "calls")
    op.create_index("calls_by_whole_duration", "calls", ["tenant", "whole_duration", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("calls_by_whole_duration", "calls")
    op.create_index("calls_by_duration", "calls", ["tenant", "duration", "id"])
    op.drop_column("calls", "whole_ended_reason")
    op.drop_column("calls", "whole_duration")
