"""Mail: by SMTP where that is set, else into the log."""

import smtplib
import ssl
import threading
import time
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from tollhouse import logs
from tollhouse.domain.errors import InvalidSetting
from tollhouse.domain.ports import Attachment
from tollhouse.settings import Settings

SECONDS = 20
AT_ONCE = 4
MOST_WAITING = 100
"""Mails that wait for a server that hangs; what comes beyond is not sent, and the log says so."""


class LogMailer:
    """Where there is no mail server, whoever runs the gateway reads the log and passes the mail on."""

    def send(self, to: str, subject: str, text: str) -> None:
        logs.event("mail_not_sent", level=logs.WARNING, to=to, subject=subject, text=text, why="no TOLLHOUSE_SMTP_URL")

    def deliver(self, to: Sequence[str], subject: str, text: str, files: Sequence[Attachment] = ()) -> None:
        for one in to:
            self.send(one, subject, text)

    def close(self) -> None:
        pass


class SmtpMailer:
    """`url` is smtp://user:password@host:587, which turns to TLS where the server can, or smtps://….

    A user and password are sent over TLS alone.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or port == -1 or "@" not in sender:
            raise InvalidSetting(
                "TOLLHOUSE_SMTP_URL must be like smtp://user:password@mail.example.com:587, and TOLLHOUSE_MAIL_FROM "
                "an e-mail address.",
                param="TOLLHOUSE_SMTP_URL",
            )
        self._host = parts.hostname
        self._tls = parts.scheme == "smtps"
        self._port = port or (465 if self._tls else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._under_way: set[threading.Thread] = set()

    def send(self, to: str, subject: str, text: str) -> None:
        if len(self._under_way) >= MOST_WAITING:
            error = f"{MOST_WAITING} others wait for the server"
            logs.event("mail_failed", level=logs.ERROR, to=to, subject=subject, error=error)
            return
        # Under gevent a thread is a greenlet, and smtplib's sockets wait as all others do.
        thread = threading.Thread(target=self._send, args=(to, subject, text), name="mail", daemon=True)
        self._under_way.add(thread)
        thread.start()

    def close(self) -> None:
        until = time.monotonic() + SECONDS
        for thread in list(self._under_way):
            thread.join(max(0.0, until - time.monotonic()))

    def deliver(self, to: Sequence[str], subject: str, text: str, files: Sequence[Attachment] = ()) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, ", ".join(to), subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=self._sender.rpartition("@")[2])
        message.set_content(text)
        for file in files:
            kind, _, detail = file.media_type.partition("/")
            message.add_attachment(file.content, maintype=kind, subtype=detail, filename=file.name)
        with self._room, self._connection() as connection:
            if not self._tls and connection.has_extn("starttls"):
                connection.starttls(context=ssl.create_default_context())
                connection.ehlo()
            elif not self._tls and self._user:
                raise smtplib.SMTPNotSupportedError("the server has no TLS, and a password is set")
            if self._user:
                connection.login(self._user, self._password)
            connection.send_message(message)

    def _send(self, to: str, subject: str, text: str) -> None:
        try:
            self.deliver([to], subject, text)
        except (OSError, smtplib.SMTPException) as error:
            logs.event(
                "mail_failed", level=logs.ERROR, to=to, subject=subject, error=f"{type(error).__name__}: {error}"
            )
        else:
            logs.event("mail_sent", to=to, subject=subject)
        finally:
            self._under_way.discard(threading.current_thread())

    def _connection(self) -> smtplib.SMTP:
        if self._tls:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS, context=ssl.create_default_context())
        connection = smtplib.SMTP(self._host, self._port, timeout=SECONDS)
        connection.ehlo()
        return connection


def mailer_of(settings: Settings) -> LogMailer | SmtpMailer:
    """How this gateway sends mail."""
    if not settings.smtp_url:
        return LogMailer()
    return SmtpMailer(settings.smtp_url, settings.mail_from)
