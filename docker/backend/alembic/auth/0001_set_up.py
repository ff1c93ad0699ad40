"""Set up the auth database: the extension, and all that its setup function makes."""

from alembic import op

from app.core.migrations import set_up

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run as an administrator, who may create the extension and roles."""
    set_up(op.get_bind(), "auth")


def downgrade() -> None:
    """Users are not deleted by a migration; docs/install.md says how to remove all."""
    raise SystemExit("the tables of dualdb are not dropped by Alembic")
