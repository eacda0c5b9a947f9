"""E-mail against a real mail server: what arrives, and what each way of failing means for the letter."""

import ssl
from pathlib import Path

import pytest

from bot.carrier import ChannelRefused, NotSent, OutcomeUnknown, RefusedForGood
from bot.channels.email import EmailCarrier, mail_of
from bot.config import EmailConfig
from bot.message import Message, Pairs, Picture, Text
from bot.outbox import Outbox
from bot.store import OpsStore
from domain.facts import Severity
from tests.bot.servers.certificate import self_signed
from tests.bot.servers.smtp import PASSWORD, USER, MailServer
from tests.bot.test_pictures import PIXEL
from tests.bot.world import until

TINA = "email:tina@example.com"
SENDER = "desk@moondev.example"
HALT = Message(
    title="Trading is HALTED",
    blocks=(Text("By tina: <spread> & fees"), Pairs((("equity", "10,000"),))),
    severity=Severity.CRITICAL,
    stamp="PAPER · market: simulated",
)


def letter(message=HALT, event="fact:7:1", recipient=TINA, replaces=""):
    return Outbox(OpsStore(Path("not-opened"))).letters(event, [recipient], message, replaces)[0]


def carrier(server, password="", tls="none", trusted=None):
    user = USER if password else ""
    config = EmailConfig(server="127.0.0.1", port=server.port, tls=tls, user=user, sender=SENDER)
    return EmailCarrier(config, password, trusted)


@pytest.fixture
async def server():
    made = MailServer()
    await made.start()
    yield made
    await made.stop()


async def test_a_mail_has_text_and_html_and_says_in_its_subject_how_bad_it_is(server):
    number = await carrier(server).deliver(letter(), "")
    (mail,) = server.mails
    assert mail["Subject"] == "[PAPER] CRITICAL: Trading is HALTED"
    assert (mail["From"], mail["To"]) == (f"MoonDev <{SENDER}>", "tina@example.com")
    assert (mail["Message-ID"], mail["Importance"], mail["Auto-Submitted"]) == (number, "high", "auto-generated")
    text = mail.get_body(("plain",)).get_content()
    assert "By tina: <spread> & fees" in text
    assert text.rstrip().endswith("ref fact:7:1")
    html = mail.get_body(("html",)).get_content()
    assert "<b>" in html
    assert "&lt;spread&gt; &amp; fees" in html


async def test_a_chart_stands_inside_the_mail_and_a_file_is_attached(server):
    picture = Picture(name="equity.png", png=PIXEL, words='Equity: "up" 2 %')
    report = Message(title="Daily report", pictures=(picture, picture), file_name="fills.csv", file_text="a,b\n1,ü\n")
    await carrier(server).deliver(letter(report), "")
    (mail,) = server.mails
    related = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert [part["Content-ID"] for part in related] == ["<picture1>", "<picture2>"]
    assert all(part.get_content() == PIXEL for part in related)
    assert all(part.get_content_disposition() == "inline" for part in related)
    html = mail.get_body(("related", "html"))
    assert 'src="cid:picture2" alt="Equity: &quot;up&quot; 2 %"' in html.get_body(("html",)).get_content()
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content().splitlines()) == ("fills.csv", ["a,b", "1,ü"])
    assert "[picture: Equity" in mail.get_body(("plain",)).get_content()


async def test_a_repetition_keeps_the_message_id_and_an_update_answers_the_first_mail(server):
    sending = carrier(server)
    first = await sending.deliver(letter(), "")
    await sending.deliver(letter(), "")
    again = await sending.deliver(letter(event="fact:7:1:over", replaces="fact:7:1"), first)
    one, repeated, update = server.mails
    assert one["Message-ID"] == repeated["Message-ID"] == first == again
    assert update["Message-ID"] != first
    assert (update["In-Reply-To"], update["References"]) == (first, first)
    assert mail_of(letter(recipient="email:rosa@example.com"), SENDER)["Message-ID"] != first


@pytest.mark.parametrize(
    ("step", "answer", "error"),
    [
        ("RCPT", "550 5.1.1 no such user: tina@example.com", RefusedForGood),
        ("RCPT", "451 4.7.1 greylisted", NotSent),
        ("MAIL", "553 5.7.1 not your address", ChannelRefused),
        ("MAIL", "421 4.3.2 going down", NotSent),
        ("DATA", "552 5.3.4 too large", RefusedForGood),
        ("DATA", "452 4.3.1 disk full", NotSent),
    ],
)
async def test_what_the_server_says_decides_whether_it_is_tried_again(server, step, answer, error):
    server.answers[step] = [answer]
    with pytest.raises(error, match=answer[:3]) as raised:
        await carrier(server).deliver(letter(), "")
    assert type(raised.value) is error
    assert "example.com" not in str(raised.value), "an address is told to nobody"
    await carrier(server).deliver(letter(), "")
    assert len(server.mails) == 1


async def test_silence_after_the_text_is_an_unknown_outcome_and_before_it_is_none(server):
    server.hang_after_data = True
    with pytest.raises(OutcomeUnknown):
        await carrier(server).deliver(letter(), "")
    assert len(server.mails) == 1, "it has arrived"
    await server.stop()
    with pytest.raises(NotSent):
        await carrier(server).deliver(letter(), "")


@pytest.fixture
async def strict(tmp_path):
    """A server that wants a login over TLS, and the context that trusts its certificate."""
    files = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    made = MailServer(login=True, tls=context)
    await made.start()
    yield made, ssl.create_default_context(cafile=str(files[0]))
    await made.stop()


async def test_a_wrong_password_is_the_channels_fault_and_stands_in_no_error(strict):
    server, trusted = strict
    await carrier(server, PASSWORD, "starttls", trusted).deliver(letter(), "")
    assert len(server.mails) == 1
    with pytest.raises(ChannelRefused, match="login: 535") as raised:
        await carrier(server, "wrong-canary", "starttls", trusted).deliver(letter(), "")
    assert "wrong-canary" not in str(raised.value)
    with pytest.raises(ChannelRefused, match="530"):
        await carrier(server, "", "starttls", trusted).deliver(letter(), "")


async def test_a_certificate_that_nobody_vouches_for_gets_no_password_and_no_mail(strict):
    server, _ = strict
    with pytest.raises(NotSent, match="certificate"):
        await carrier(server, PASSWORD, "starttls").deliver(letter(), "")
    assert (server.steps, server.mails) == ([], [])


async def test_a_server_without_tls_gets_nothing_when_tls_is_wanted(server):
    with pytest.raises(NotSent):
        await carrier(server, PASSWORD, "starttls").deliver(letter(), "")
    assert server.steps == []


async def test_a_probe_finds_a_mailbox_that_is_gone_and_sends_no_mail(server):
    server.answers["RCPT"] = ["550 5.1.1 no such user"]
    with pytest.raises(RefusedForGood, match="no such user"):
        await carrier(server).probe(TINA)
    await carrier(server).probe(TINA)
    assert server.mails == []


async def test_a_title_cannot_smuggle_headers_into_a_mail(server):
    evil = Message(title="ok\r\nBcc: thief@example.com\r\n\r\nbody", blocks=(Text("x\r\n.\r\nMAIL FROM:<a@b>"),))
    await carrier(server).deliver(letter(evil), "")
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "ok Bcc: thief@example.com  body"
    await until(lambda: server.steps.count("MAIL") == 1)
