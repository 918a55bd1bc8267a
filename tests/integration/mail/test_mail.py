"""Mail goes to a real server, in the background, and into the log where there is none."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway import settings_for
from tests.post_office import PostOffice
from tollhouse import logs, mail
from tollhouse.domain.errors import InvalidSetting
from tollhouse.mail import LogMailer, SmtpMailer


@pytest.fixture
def office() -> Iterator[PostOffice]:
    office = PostOffice()
    thread = threading.Thread(target=office.serve_forever, args=(0.05,))
    thread.start()
    yield office
    office.shutdown()
    office.server_close()
    thread.join()


def url(office: PostOffice, user: str = "") -> str:
    return f"smtp://{user}127.0.0.1:{office.server_address[1]}"


def test_a_letter_arrives_with_its_heads(office: PostOffice) -> None:
    mailer = SmtpMailer(url(office), "gateway@example.com")
    mailer.send("ada@example.com", "Grüße", "one\n\ntwo ü\n")
    mailer.close()
    (letter,) = office.letters
    assert "From: gateway@example.com" in letter
    assert "To: ada@example.com" in letter
    assert "Message-ID: <" in letter


def test_a_password_is_not_sent_without_tls(office: PostOffice, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("ERROR", logger="tollhouse"):
        mailer = SmtpMailer(url(office, "me:s3cret@"), "gateway@example.com")
        mailer.send("ada@example.com", "x", "y")
        mailer.close()
    assert office.letters == []


def test_a_server_that_is_away_is_nobodys_error() -> None:
    mailer = SmtpMailer("smtp://127.0.0.1:1", "gateway@example.com")
    mailer.send("ada@example.com", "x", "y")
    mailer.close()


def test_while_a_server_hangs_so_many_mails_wait_and_nobody_waits_for_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mail, "MOST_WAITING", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent, caplog.at_level("ERROR", logger="tollhouse"):
        mailer = SmtpMailer(f"smtp://127.0.0.1:{silent.getsockname()[1]}", "gateway@example.com")
        for number in range(5):
            mailer.send(f"{number}@example.com", "x", "y")  # returns, though nobody says a word
        said = [(one.message, one.__dict__["fields"]["to"]) for one in caplog.records]
    assert said == [("mail_failed", "3@example.com"), ("mail_failed", "4@example.com")]
    mailer.close()


@pytest.mark.parametrize("given", ["http://x", "smtp://", "smtp://host:port", "nonsense"])
def test_what_is_no_mail_server_is_refused(given: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_SMTP_URL"):
        SmtpMailer(given, "gateway@example.com")


def test_without_a_server_the_log_has_the_whole_letter(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    logs.configure(settings_for(tmp_path, log_format="json"), "web")
    link = "http://127.0.0.1:8000/console/password-reset#ImxuayI.aR8w.c2lnbmF0dXJl"
    LogMailer().send(
        "ada@example.com", "Set a new password for Tollhouse", f"it sets a new password, once:\n\n{link}\n"
    )
    assert link in capfd.readouterr().out


def test_one_mail_to_several_is_with_the_server_when_it_was_delivered(office: PostOffice) -> None:
    SmtpMailer(url(office), "gateway@example.com").deliver(["a@example.com", "b@example.com"], "Spent", "80 %")
    (letter,) = office.letters
    assert "To: a@example.com, b@example.com" in letter


def test_a_mail_that_no_server_takes_is_an_error_to_whoever_delivers_it() -> None:
    with pytest.raises(ConnectionRefusedError):
        SmtpMailer("smtp://127.0.0.1:9", "gateway@example.com").deliver(["a@example.com"], "Spent", "80 %")
