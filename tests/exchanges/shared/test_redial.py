"""A connection is made again whatever ended it, and what is said of its end holds no secret."""

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from exchanges.shared.redial import Redial

WAITS = SimpleNamespace(backoff_s=0.0, backoff_max_s=0.0)


def handshake(status: int) -> aiohttp.WSServerHandshakeError:
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    info = aiohttp.RequestInfo(URL("wss://x/ws/secret-listen-key"), "GET", headers)
    return aiohttp.WSServerHandshakeError(info, (), status=status)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (handshake(401), "HTTP 401"),
        (handshake(503), "maintenance"),
        (aiohttp.ServerDisconnectedError(), "Server disconnected"),
        (TimeoutError(), "TimeoutError"),
        (KeyError("what nobody has thought of"), "an error of ours: KeyError"),
    ],
)
async def test_whatever_ends_a_connection_the_next_one_is_tried(error, words, caplog):
    ended: list[str] = []
    done = asyncio.Event()

    async def connection() -> str:
        if not ended:
            raise error
        done.set()
        await asyncio.sleep(60)
        return "never"

    keeping = asyncio.create_task(Redial("the stream", WAITS, lambda: 0.5).keep(connection, ended.append))
    await asyncio.wait_for(done.wait(), 10)
    keeping.cancel()
    assert len(ended) == 1
    assert words in ended[0]
    assert "secret" not in ended[0] + caplog.text


async def test_the_wait_doubles_until_a_connection_has_worked(monkeypatch):
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 5:
            redial.worked()
        if len(waited) == 6:
            raise asyncio.CancelledError

    async def connection() -> str:
        return "closed"

    redial = Redial("the stream", SimpleNamespace(backoff_s=1.0, backoff_max_s=5.0), lambda: 0.0)
    monkeypatch.setattr("exchanges.shared.redial.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await redial.keep(connection, lambda _: None)
    assert waited == [0.5, 1.0, 2.0, 2.5, 2.5, 0.5]
