"""The extra: apprise in threads of its own, which may fail, hang, and never says why."""

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import web
from msgspec import structs

from bot.carrier import NotSent, OutcomeUnknown, RefusedForGood
from bot.channels.apprise import AppriseCarrier
from tests.bot.channels.test_email import letter

PHONE = "apprise:phone"


@pytest.fixture
async def receiver():
    """A JSON endpoint as apprise posts to; `answers` holds the statuses to come, 0 = silence."""

    seen = SimpleNamespace(taken=[], answers=[], address="")

    async def post(request):
        seen.taken.append(await request.json())
        status = seen.answers.pop(0) if seen.answers else 200
        if not status:
            await asyncio.sleep(3)
        return web.Response(status=status or 200)

    app = web.Application()
    app.router.add_post("/", post)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    seen.address = f"json://127.0.0.1:{runner.addresses[0][1]}/?rto=1"
    yield seen
    await runner.cleanup()


async def test_apprise_brings_title_and_text_and_does_not_hold_up_the_loop(receiver):
    carrier = AppriseCarrier({"phone": receiver.address})
    assert await carrier.deliver(letter(recipient=PHONE), "") == "taken"
    (body,) = receiver.taken
    assert (body["title"], body["type"]) == ("Trading is HALTED", "failure")
    assert "By tina" in body["message"]
    await carrier.aclose()


async def test_a_failure_is_tried_again_and_in_the_end_taken_for_final(receiver):
    carrier = AppriseCarrier({"phone": receiver.address})
    receiver.answers = [500, 500]
    with pytest.raises(NotSent):
        await carrier.deliver(letter(recipient=PHONE), "")
    with pytest.raises(RefusedForGood, match="5 times"):
        await carrier.deliver(structs.replace(letter(recipient=PHONE), attempts=5), "")
    await carrier.aclose()


async def test_one_that_hangs_is_left_behind_and_may_have_arrived(receiver):
    carrier = AppriseCarrier({"phone": receiver.address}, timeout_s=0.2)
    await carrier.probe(PHONE)
    receiver.answers = [0]
    with pytest.raises(OutcomeUnknown, match=r"within 0\.2 s"):  # apprise itself says otherwise
        await carrier.deliver(letter(recipient=PHONE), "")
    await carrier.aclose()


async def test_an_address_that_apprise_cannot_read_is_said_without_it():
    carrier = AppriseCarrier({"phone": "nosuch://apprise-canary"})
    with pytest.raises(RefusedForGood) as raised:
        await carrier.probe(PHONE)
    assert "canary" not in str(raised.value)
    with pytest.raises(RefusedForGood, match="'other'"):
        await carrier.deliver(letter(recipient="apprise:other"), "")
    await carrier.aclose()
