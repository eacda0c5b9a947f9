"""Webhooks against a receiver that checks signatures as the specification says."""

import pytest
from msgspec import structs

from bot.carrier import NotSent, OutcomeUnknown, RefusedForGood, RetryAfter
from bot.channels.http import wait_of
from bot.channels.webhook import WebhookCarrier, key_of
from tests.bot.channels.test_email import letter
from tests.bot.servers.hook import KEY, SECRET, HookFault, HookServer

HOOK = "hook:pager"


@pytest.fixture
async def server():
    made = HookServer()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def carrier(server):
    made = WebhookCarrier({"pager": (server.url, key_of(SECRET))})
    yield made
    await made.aclose()


async def test_a_webhook_brings_signed_json(server, carrier):
    number = await carrier.deliver(letter(recipient=HOOK), "")
    body = server.taken[number]
    assert (body["type"], body["event"], body["severity"]) == ("message", "fact:7:1", "critical")
    assert body["title"] == "Trading is HALTED"
    assert "By tina" in body["text"]
    assert server.forged == 0


async def test_a_repetition_has_the_same_id_and_says_that_it_may_be_one(server, carrier):
    server.faults.append(HookFault(swallow=True))
    with pytest.raises(OutcomeUnknown):
        await carrier.deliver(letter(recipient=HOOK), "")
    await carrier.deliver(structs.replace(letter(recipient=HOOK), unsure=True), "")
    first, again = server.deliveries
    assert first["webhook-id"] == again["webhook-id"] == again["idempotency-key"]
    assert [one["may_be_repeated"] for one in server.taken.values()] == [True]


async def test_an_update_names_the_first_one(server, carrier):
    first = await carrier.deliver(letter(recipient=HOOK), "")
    assert await carrier.deliver(letter(event="over", recipient=HOOK), first) == first
    assert [one["replaces"] for one in server.taken.values()] == ["", first]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (HookFault(429, (("Retry-After", "3"),)), RetryAfter),
        (HookFault(503, (("Retry-After", "3"),)), RetryAfter),
        (HookFault(500), OutcomeUnknown),
        (HookFault(503), OutcomeUnknown),
        (HookFault(408), OutcomeUnknown),
        (HookFault(404), RefusedForGood),
        (HookFault(410), RefusedForGood),
    ],
)
async def test_what_the_server_says_decides_whether_it_is_tried_again(server, carrier, fault, error):
    server.faults.append(fault)
    with pytest.raises(error) as raised:
        await carrier.deliver(letter(recipient=HOOK), "")
    assert type(raised.value) is error
    assert server.url not in str(raised.value)


async def test_a_redirect_is_not_followed(server, carrier):
    server.faults.append(HookFault(307, (("Location", "/elsewhere"),)))
    with pytest.raises(RefusedForGood, match="not followed"):
        await carrier.deliver(letter(recipient=HOOK), "")
    assert server.elsewhere == []


async def test_a_ping_is_signed_and_says_nothing(server, carrier):
    await carrier.probe(HOOK)
    (body,) = server.taken.values()
    assert body["type"] == "ping"


async def test_a_name_that_is_not_there_and_a_server_that_is_down(server, carrier):
    with pytest.raises(RefusedForGood, match="no hook 'other'"):
        await carrier.deliver(letter(recipient="hook:other"), "")
    await server.stop()
    with pytest.raises(NotSent):
        await carrier.deliver(letter(recipient=HOOK), "")


def test_a_secret_is_base64_behind_its_prefix_and_else_the_text_itself():
    assert key_of(SECRET) == KEY
    assert key_of("plain-text-secret") == b"plain-text-secret"
    assert key_of("whsec_not base64") == b"whsec_not base64"


@pytest.mark.parametrize(("text", "seconds"), [("7", 7), ("0", 0.5), ("1e9", 3600), ("nan", 5), ("soon", 5), ("", 0)])
def test_how_long_to_wait_is_never_nothing_and_never_for_ever(text, seconds):
    assert wait_of({"retry-after": text} if text else {}) == seconds
    assert wait_of({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.5
