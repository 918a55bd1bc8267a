from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base

_ORGANISATIONS = text("team_id IS NULL")


class MembershipRecord(Base):
    """A role that a person has in a team, or in the organisation where `team_id` is NULL: one each.

    One that is `from_issuer` was given by what an issuer said of the person, and is taken so.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        Index("uq_memberships_team", "user_id", "team_id", unique=True),
        Index(
            "uq_memberships_organisation",
            "user_id",
            unique=True,
            sqlite_where=_ORGANISATIONS,
            postgresql_where=_ORGANISATIONS,
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    team_id: Mapped[str | None] = mapped_column(ForeignKey("teams.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(Instant)
    from_issuer: Mapped[bool] = mapped_column(default=False, server_default=false())
