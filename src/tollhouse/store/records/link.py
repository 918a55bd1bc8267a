from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class LinkRecord(Base):
    """A link that does one thing once: `kind` is "invitation" or "password_reset". The signed link names the row.

    An invitation has the e-mail address that it went to, and the role it gives in `team_id`, or in the
    organisation where that is NULL; a reset has the person.
    """

    __tablename__ = "links"
    __table_args__ = (Index("ix_links_expires_at", "expires_at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    email: Mapped[str] = mapped_column(String(320))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"), index=True)
    team_id: Mapped[str | None] = mapped_column(ForeignKey("teams.id"))
    role: Mapped[str | None] = mapped_column(String(20))
    made_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
