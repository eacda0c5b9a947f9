"""Requests that are asked again where that is safe: what only looks, and what has a key. Nothing else ever is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import httpx
import msgspec
from msgspec import Struct

from gateway.client.credentials import Credentials
from gateway.client.errors import ApiProblem, NoAnswer, Unknown

TRIES: Final = 4
FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 5.0
AGAIN: Final = frozenset({429, 502, 503, 504})
"""Worth another try: too much at once, or the engine or a proxy does not answer now."""
NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class _Problem(Struct, frozen=True):
    """An error as the API words it."""

    detail: str = ""
    code: str = ""


class Http:
    """One service's address, and who asks. `sleep` is the pause between tries."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeout_s: float = 10.0,
        ca: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`ca` is a file with the certificate of the authority to trust instead of the system's."""
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=timeout_s,
            verify=ca if ca is not None else True,
            trust_env=False,
            follow_redirects=False,
        )
        self._credentials = credentials
        self._sleep = sleep

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return str(self._http.base_url).rstrip("/")

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def get(self, path: str, arguments: Mapping[str, object]) -> httpx.Response:
        """Read something. Raises `ClientError`."""
        given = {name: _text(value) for name, value in arguments.items() if value not in (None, "")}
        return self._asked(lambda headers: self._http.get(path, params=given, headers=headers), key="")

    def post(self, path: str, body: object, key: str) -> httpx.Response:
        """Have something done, once: with the same `key` it is asked again until there is an answer.

        Raises `ClientError`; `Unknown` when whether it was done is not known.
        """
        raw = msgspec.json.encode(body)
        more = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        return self._asked(lambda headers: self._http.post(path, content=raw, headers=headers | more), key=key)

    def stream_headers(self) -> dict[str, str]:
        """What a WebSocket sends with its handshake. Raises `ClientError`."""
        return self._credentials.headers(self._http)

    def _asked(self, send: Callable[[dict[str, str]], httpx.Response], key: str) -> httpx.Response:
        was_sent, problem, wait_s = False, "", FIRST_WAIT_S
        for left in reversed(range(TRIES)):
            try:
                answer = send(self._credentials.headers(self._http))
            except NOT_SENT as error:
                problem = f"{self.url} cannot be reached: {_words(error)}"
            except httpx.HTTPError as error:
                was_sent, problem = True, _words(error)
            else:
                if answer.status_code == httpx.codes.UNAUTHORIZED and self._credentials.refused():
                    continue
                if answer.is_success:
                    return answer
                said = problem_of(answer)
                if answer.status_code not in AGAIN or not left:
                    raise said
                was_sent |= answer.status_code in {502, 504}
                problem, wait_s = str(said), max(wait_s, said.wait_s)
            if left:
                self._sleep(min(wait_s, LONGEST_WAIT_S))
                wait_s *= 2
        if was_sent and key:
            raise Unknown(problem, key)
        raise NoAnswer(problem)


def problem_of(answer: httpx.Response) -> ApiProblem:
    """An answer that is an error, in the service's words."""
    try:
        said = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError:
        said = _Problem()
    wait = answer.headers.get("retry-after", "")
    wait_s = float(wait) if wait.isascii() and wait.isdecimal() else 0.0
    return ApiProblem(answer.status_code, said.code or "unknown", said.detail or answer.reason_phrase, wait_s)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
