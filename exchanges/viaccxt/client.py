"""One ccxt.pro exchange, kept at arm's length.

ccxt knows how a venue's requests are written, which addresses it has, and how its WebSockets are logged in and kept
alive. Everything else is ours: the secret stays with the signer, the HTTP session is ours (nothing is retried, no
answer is judged before we have seen it), and every WebSocket message comes to `hear` before ccxt may look at it, so
that none is missed between two awaits and none is kept.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import yarl
from aiohttp import ClientHandlerType, ClientMiddlewareType

from domain.account import VenueOperation
from domain.errors import VenueError
from domain.instrument import AccountId
from domain.ports import Signer, SignRequest
from exchanges.shared.meters import Costs, Priority
from exchanges.shared.trouble import ORDERS, READS, Tell, judge, untold
from exchanges.viaccxt.dialect import Answer, ClientSpec
from exchanges.viaccxt.limits import Limits
from exchanges.viaccxt.signing import PLACEHOLDER, Seal, as_text

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 32 * 2**20
CACHE = 100
"""Rows that ccxt may keep of anything; we read none of them."""


class NotSent(VenueError):
    """The request surely did not leave."""


class NoAnswer(VenueError):
    """The request may have arrived; what became of it is not known."""


async def load_ccxt() -> None:
    """Import ccxt beside the loop: it takes half a second at least, and all of its exchanges come with it."""
    if "ccxt.pro" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "ccxt.pro")


class Client:
    """Requests and WebSockets of one API key (`key` is its name at the signer); empty = public data only."""

    def __init__(
        self,
        spec: ClientSpec,
        session: aiohttp.ClientSession,
        *,
        api_key: str = "",
        key: str = "",
        signer: Signer | None = None,
        timeout_s: float = 10.0,
        ping_after_s: float = 15.0,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self._spec = spec
        self._session = session
        self._key = key
        self._signer = signer
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._seal = Seal()
        self.limits: Limits | None = None
        self.account: AccountId = ""
        """Whose limits they are, beside the machine's."""
        self.hear: Callable[[str, Any], bool] = lambda _url, _message: False
        self.tell: Tell = untold
        """Told of the venue's troubles."""
        self.connected: dict[str, Callable[[], None]] = {}
        """Who wants to know when an address is connected."""
        self._waiting: dict[str, tuple[str, asyncio.Future[Any]]] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self.opening: dict[str, asyncio.Task[None]] = {}
        """Handshakes under way, by address: ccxt keeps hold of none of its own."""
        self.exchange: Any = self._make(credentials or {"apiKey": api_key, "secret": PLACEHOLDER}, ping_after_s)

    def _make(self, credentials: Mapping[str, str], ping_after_s: float) -> Any:  # noqa: ANN401 - ccxt is untyped
        import ccxt.pro  # by now a look into a table: see `load_ccxt`

        base: Any = getattr(ccxt.pro, self._spec.exchange)
        sealed = type(f"sealed_{self._spec.exchange}", (base,), _overrides(base, self))
        exchange = sealed(
            {
                "enableRateLimit": False,
                "session": self._session,
                "timeout": int((self._timeout.total or 10) * 1_000),
                **credentials,
                "options": {
                    "maxRetriesOnFailure": 0,
                    "fetchCurrencies": False,
                    "ordersLimit": CACHE,
                    "tradesLimit": CACHE,
                    "OHLCVLimit": CACHE,
                    **self._spec.options,
                },
            }
        )
        exchange.has["fetchCurrencies"] = False
        exchange.timeout_on_exit = 0
        exchange.ssl_context = False  # ours is the session's; making one takes 70 ms
        exchange.streaming = {**exchange.streaming, "keepAlive": int(ping_after_s * 1_000)}
        exchange.aiohttp_trust_env = False
        self._spec.point(exchange)
        return exchange

    def mark(self, payload: bytes | str, digest: str) -> str:
        """Stands where ccxt wants a signature."""
        return self._seal.mark(payload, digest)

    async def sealed(self, texts: list[str], action: str) -> list[str]:
        """The texts with signatures in the place of their marks. Raises `NotSent` for what is not to be signed."""
        wanted = self._seal.wanted("\n".join(texts))
        if not wanted:
            return texts
        if not action or self._signer is None:
            raise NotSent(f"{self._spec.exchange} wanted to sign a request that nothing of ours makes; it was not sent")
        try:
            requests = [SignRequest(key=self._key, action=action, payload=payload) for _, payload, _ in wanted]
            signatures = await self._signer.sign(requests)
        except (VenueError, OSError) as error:
            raise NotSent(str(error) or type(error).__name__) from error
        for (mark, _, digest), signature in zip(wanted, signatures, strict=True):
            texts = [text.replace(mark, as_text(signature, digest)) for text in texts]
        return texts

    # REST

    async def ask(  # noqa: PLR0913 - what a request has
        self, method: str, api: str, path: str, params: Mapping[str, Any] | None = None, *, weight: int = 1,
        orders: int = 0, priority: Priority = Priority.READ, until_ns: int = 0, costs: Costs | None = None,
    ) -> Answer:  # fmt: skip
        """One request, sent once, when the venue's limits let it; with `costs` they have done so already.

        Raises `NotSent` (also what waited in vain: `Dropped`) and `NoAnswer`; every HTTP status is an answer.
        """
        if costs is None:
            costs = await self.enter(f"{method} {path}", weight, orders, priority, until_ns)
        request = self.exchange.sign(path, [api], method, dict(params or {}))
        body, headers = request.get("body") or "", dict(request.get("headers") or {})
        action = self._spec.actions.get((method, path), "")
        url, body, *values = await self.sealed([request["url"], body, *map(str, headers.values())], action)
        headers = dict(zip(headers, values, strict=True))
        name, what, is_read = self._spec.exchange, f"{method} {path}", priority is Priority.READ
        try:
            async with self._session.request(
                request["method"], yarl.URL(url, encoded=True), data=body.encode() or None, headers=headers,
                timeout=self._timeout, allow_redirects=False, middlewares=() if method == "GET" else (_once(),),
            ) as got:  # fmt: skip
                answer = Answer(got.status, {key.lower(): got.headers[key] for key in got.headers}, await got.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._silent(
                NotSent(f"{name} cannot be reached for {what}: {_words(error)}"), is_read=is_read
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._silent(NoAnswer(f"{name} did not answer {what}: {_words(error)}"), is_read=is_read) from None
        self.charged(costs, answer, READS if is_read else ORDERS)
        return answer

    def _silent(self, error: NotSent | NoAnswer, *, is_read: bool) -> VenueError:
        """A question that the venue does not answer is its trouble; orders without an answer the engine counts."""
        if is_read:
            self.tell(READS, str(error))
        return error

    async def enter(self, what: str, weight: int, orders: int, priority: Priority, until_ns: int = 0) -> Costs:
        """Wait for the venue's limits. Raises `Dropped`."""
        if self.limits is None:
            return ()
        costs = self.limits.costs(self.account, weight, orders, what)
        await self.limits.enter(priority, costs, what, until_ns)
        return costs

    def charged(self, costs: Costs, answer: Answer, operation: VenueOperation = ORDERS) -> None:
        """The venue's own count is in its answer; a server's error and a ban are its trouble."""
        if self.limits is not None:
            self.limits.answered(costs, answer.status, answer.headers)
        judge(self.tell, operation, answer.status, answer.body)

    async def fetch2(self, path: str, api: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """What ccxt's own methods ask (markets, listen keys): decoded, and judged as ccxt does."""
        answer = await self.ask(method, api, path, params)
        text = answer.body.decode(errors="replace")
        exchange = self.exchange
        decoded = exchange.parse_json(text)
        exchange.handle_errors(answer.status, "", path, method, dict(answer.headers), text, decoded, {}, None)
        exchange.handle_http_status_code(answer.status, "", path, method, text)
        return decoded

    # WebSockets

    async def hold(
        self, url: str, live: Callable[[], None], ended: asyncio.Future[None] | None = None, message: Any = None,  # noqa: ANN401
    ) -> None:  # fmt: skip
        """Keep one WebSocket open: `live` is called when it is connected, messages go to `hear`.

        `message`, if any, is sent first. Raises what ccxt raises when it ends, or what `ended` raises; never returns.
        """
        self.connected[url] = live
        watched = asyncio.ensure_future(self.exchange.watch(url, "stream", message, "stream"))
        try:
            waiting = [watched, *([ended] if ended is not None else [])]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                future.result()
            raise VenueError(f"the stream of {self._spec.exchange} ended")
        finally:
            self.connected.pop(url, None)
            watched.cancel()
            await self.drop(url)
            await asyncio.gather(watched, return_exceptions=True)

    async def drop(self, url: str) -> None:
        """Close one WebSocket, if it is there, or end its handshake."""
        opening = self.opening.pop(url, None)
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        socket = (self.exchange.clients or {}).pop(url, None)
        if socket is not None:
            await socket.close()

    def open(self, socket: Any, backoff_delay: float) -> asyncio.Future[Any]:  # noqa: ANN401
        """Begin a handshake, unless there was one, as ccxt does; returns what ends with it."""
        if not socket.connection and not socket.connecting:
            socket.connecting = True
            self.opening[socket.url] = task = asyncio.ensure_future(socket.open(self._session, backoff_delay))
            task.add_done_callback(lambda _: self.opening.pop(socket.url, None))
        connected: asyncio.Future[Any] = socket.connected
        return connected

    def socket_action(self, message: Any) -> str:  # noqa: ANN401 - JSON
        """What a message on a WebSocket does; empty for what is not to be signed."""
        return self._spec.socket_action(message) if isinstance(message, Mapping) else ""

    async def send(self, plain: Callable[[Any], Any], message: Any) -> None:  # noqa: ANN401 - JSON
        """Send a message of ccxt's or ours, signed."""
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
        [text] = await self.sealed([text], self.socket_action(message))
        await plain(text)

    def is_open(self, url: str) -> bool:
        """Whether a WebSocket is connected; if not, a dial is begun."""
        socket = self.exchange.client(url)
        if socket.isConnected and not socket.closed():
            return True
        if not self._dials:
            task = asyncio.create_task(self._dial(url))
            self._dials.add(task)
            task.add_done_callback(self._dials.discard)
        return False

    async def _dial(self, url: str) -> None:
        try:
            socket = self.exchange.client(url)
            async with asyncio.timeout(self._timeout.total):  # a dial that fails never ends its future
                await socket.connect(self._session, self.exchange.ws_dial_delay(url))
        except Exception as error:  # noqa: BLE001 - ccxt raises what it likes; requests go over REST meanwhile
            log.info("%s's order socket is not there: %s", self._spec.exchange, _words(error))
            await self.drop(url)

    async def post(self, url: str, message: Any, number: str) -> asyncio.Future[Any]:  # noqa: ANN401 - JSON
        """Send a request over an open WebSocket; its answer comes to the future.

        Raises `NotSent`. The future raises `NoAnswer` when the connection is lost.
        """
        socket = self.exchange.client(url)
        if socket.closed():
            raise NotSent(f"{self._spec.exchange}'s order socket is closed")
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (url, waiting)
        waiting.add_done_callback(lambda _: self._waiting.pop(number, None))
        try:
            await socket.send(message)
        except NotSent:
            waiting.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever the transport raises, the frame may be out
            log.info("a request may or may not have been sent: %s", _words(error))
        return waiting

    def answered(self, number: str, message: Any) -> bool:  # noqa: ANN401 - JSON
        """Give an answer to whom it may concern; a second one to the same request is ignored."""
        _, waiting = self._waiting.get(number, ("", None))
        if waiting is None:
            return False
        if not waiting.done():
            waiting.set_result(message)
        return True

    def lost(self, url: str) -> None:
        """A WebSocket has ended, and with it every answer that it owed."""
        for at, waiting in list(self._waiting.values()):
            if at == url and not waiting.done():
                waiting.set_exception(
                    NoAnswer(f"{self._spec.exchange}'s order socket was lost ({url.split('?', maxsplit=1)[0]})")
                )

    async def aclose(self) -> None:
        """Close the WebSockets; the session is its owner's."""
        for task in self._dials:
            task.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)
        for url in list(self.exchange.clients or {}):
            await self.drop(url)
        self.exchange.session = None
        for _, waiting in list(self._waiting.values()):
            waiting.cancel()


def _once() -> ClientMiddlewareType:
    """For one request: aiohttp repeats PUT and DELETE by itself when a kept connection breaks."""
    tries = itertools.count()

    async def send(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        if next(tries):
            raise aiohttp.ServerDisconnectedError
        return await handler(request)

    return send


def _nothing() -> None:
    """Nobody asked."""


def _words(error: BaseException) -> str:
    """An error without the address that was asked: a URL holds the API key's signature."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error) or type(error).__name__
    return (
        type(error).__name__ if isinstance(error, aiohttp.ClientResponseError) else str(error) or type(error).__name__
    )


def _overrides(base: Any, owner: Client) -> dict[str, Any]:  # noqa: ANN401 - a class of ccxt
    """The methods of ccxt that are ours. A dialect's own are in `ClientSpec.point`."""

    def hmac(_self: Any, request: bytes, _secret: bytes, _algorithm: Any = None, digest: str = "hex") -> str:  # noqa: ANN401
        return owner.mark(request, digest)

    async def fetch2(
        _self: Any, path: str, api: Any = ("public",), method: str = "GET", params: Any = None,  # noqa: ANN401
        config: Any = None,  # noqa: ANN401, ARG001 - ccxt's rate limit weights: we meter ourselves
    ) -> Any:  # noqa: ANN401  # fmt: skip
        return await owner.fetch2(path, api if isinstance(api, str) else api[0], method, params or {})

    def client(self: Any, url: str) -> Any:  # noqa: ANN401
        is_new = url not in (self.clients or {})
        socket = base.client(self, url)
        if is_new:
            plain = socket.send

            async def send(message: Any) -> None:  # noqa: ANN401
                await owner.send(plain, message)

            socket.send = send
            socket.connect = lambda _session, backoff_delay=0: owner.open(socket, backoff_delay)
        return socket

    def handle_message(self: Any, socket: Any, message: Any) -> None:  # noqa: ANN401
        if not owner.hear(socket.url, message):
            base.handle_message(self, socket, message)

    def on_connected(self: Any, socket: Any, message: Any = None) -> None:  # noqa: ANN401
        base.on_connected(self, socket, message)
        owner.connected.get(socket.url, _nothing)()

    def on_error(self: Any, socket: Any, error: Any) -> None:  # noqa: ANN401
        base.on_error(self, socket, error)
        owner.lost(socket.url)

    def on_close(self: Any, socket: Any, error: Any) -> None:  # noqa: ANN401
        base.on_close(self, socket, error)
        owner.lost(socket.url)

    return {
        "hmac": hmac,
        "fetch2": fetch2,
        "client": client,
        "handle_message": handle_message,
        "on_connected": on_connected,
        "on_error": on_error,
        "on_close": on_close,
        "__del__": lambda _self: None,
    }
