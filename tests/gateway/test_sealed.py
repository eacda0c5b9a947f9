"""What a sealed service serves, and that nothing people can reach unlocks it."""

import asyncio
import os
import signal

import aiohttp
import pytest

from bot.verbs import VERBS
from gateway import sealed
from gateway.sealed import serve_until


async def test_it_goes_on_by_itself_once_the_vault_is_open(monkeypatch):
    monkeypatch.setattr(sealed, "LOOK_S", 0.01)
    looks = iter([False, False, True])
    assert await serve_until(lambda: next(looks), ("127.0.0.1", 0))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_can_be_stopped_while_it_is_sealed(number):
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), number)
    assert not await serve_until(lambda: False, None)


async def test_it_is_alive_and_not_ready_and_says_what_to_do_until_the_vault_is_open(monkeypatch, unused_tcp_port):
    monkeypatch.setattr(sealed, "LOOK_S", 0.01)
    is_open = asyncio.Event()
    serving = asyncio.create_task(serve_until(is_open.is_set, ("127.0.0.1", unused_tcp_port)))
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        while not await answers(session, url):  # noqa: ASYNC110 - the server is another's
            await asyncio.sleep(0.01)
        for method, path in [
            ("GET", "/health/ready"),
            ("GET", "/"),
            ("POST", "/api/v1/verbs/halt"),
            ("GET", "/login/x"),
        ]:
            async with session.request(method, url + path) as answer:
                assert answer.status == 503
                assert "typed at a terminal of the machine" in (await answer.json())["reasons"][0]
                assert answer.headers["Cache-Control"] == "no-store"
    is_open.set()
    assert await serving


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health/live") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


def test_no_verb_unlocks_a_vault():
    """`/keys unlock` does not exist: a passphrase in a chat is a passphrase that is lost."""
    for verb in VERBS:
        said = f"{verb.name} {verb.usage} {verb.help}".lower()
        assert not any(word in said for word in ("unlock", "unseal", "passphrase")), verb.name
