"""`Idempotency-Key`: what was asked twice with one key is done once, and both get the first answer.

    same key, same request     the first answer, for a day
    same key, another request  422: the key was meant for something else
    while the first one runs   the second waits for it
    the first one was lost     (the engine or this process went away) it is asked again under the same request id, which
                               the engine carries out once; what could not be right at all leaves no trace

A key belongs to one caller. Answers that hold a code are not kept: asked again, that is said.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from msgspec import Struct

from domain.access import AccessLost
from domain.answer import Answer, BadArgument, NotKnown
from gateway.refused import Refused

KEY: Final = re.compile(r"[!-~]{1,128}")
SECRET_GONE: Final = Answer(ok=False, text="It was carried out. Its answer held a code and is not kept: ask anew.")


class Kept(Struct, frozen=True, kw_only=True):
    """What is known of a key: the request it was for, and its answer, None while there is none."""

    fingerprint: str
    answer: Answer | None = None


class Answers(Protocol):
    """Where first answers are kept for a day. All raise `AccessLost`."""

    async def begin(self, caller: str, key: str, fingerprint: str) -> Kept:
        """Write a key down, or find it as it was written first."""
        ...

    async def finish(self, caller: str, key: str, answer: Answer) -> None:
        """Keep the answer."""
        ...

    async def forget(self, caller: str, key: str) -> None:
        """Nothing was done under this key."""
        ...


def fingerprint(path: str, body: bytes) -> str:
    """What makes two requests the same: where to, and every byte of what was sent."""
    return hashlib.sha256(path.encode() + b"\0" + body).hexdigest()


class Once:
    """Runs what has a key once."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._running: dict[tuple[str, str], tuple[str, asyncio.Task[tuple[Answer, bool]]]] = {}

    async def run(
        self,
        caller: str,
        key: str | None,
        print_: str,
        work: Callable[[str], Awaitable[Answer]],
        *,
        effect: str = "adds",
    ) -> tuple[Answer, bool]:
        """The answer, and whether it is one that was given before; `work` is given the request id.

        What only `reads` leaves nothing behind and is asked anew each time, under the same request id. What `lowers`
        risk is done though keys cannot be kept: the engine knows its request ids as well. Raises what `work` raises,
        `AccessLost`, and `Refused` for a key that was meant for another request.
        """
        if key is None:
            return await work(f"api:{caller}:{uuid.uuid4().hex}"), False
        if KEY.fullmatch(key) is None:
            raise BadArgument("Idempotency-Key is 1 to 128 visible ASCII characters")
        if effect == "reads":
            return await work(f"api:{caller}:{key}"), False
        running = self._running.get((caller, key))
        if running is not None:
            if running[0] != print_:
                raise _reused()
            answer, _ = await asyncio.shield(running[1])
            return answer, True
        task = asyncio.create_task(self._keyed(caller, key, print_, work, lowers=effect == "lowers"), name="keyed verb")
        self._running[caller, key] = print_, task
        task.add_done_callback(lambda done: self._over(caller, key, done))
        # a caller that goes away takes nobody's answer with it
        return await asyncio.shield(task)

    def _over(self, caller: str, key: str, task: asyncio.Task[tuple[Answer, bool]]) -> None:
        del self._running[caller, key]
        if not task.cancelled():
            task.exception()  # whoever still waits is told; nobody may be left who does

    async def _keyed(
        self, caller: str, key: str, print_: str, work: Callable[[str], Awaitable[Answer]], *, lowers: bool
    ) -> tuple[Answer, bool]:
        try:
            kept = await self._answers.begin(caller, key, print_)
        except AccessLost:
            if not lowers:
                raise
            return await work(f"api:{caller}:{key}"), False
        if kept.fingerprint != print_:
            raise _reused()
        if kept.answer is not None:
            return kept.answer, True
        try:
            answer = await work(f"api:{caller}:{key}")
        except (BadArgument, NotKnown):
            with suppress(AccessLost):
                await self._answers.forget(caller, key)
            raise
        with suppress(AccessLost):  # it is done, and that is told; asked again, the engine answers what it did
            await self._answers.finish(caller, key, SECRET_GONE if answer.is_secret else answer)
        return answer, False


def _reused() -> Refused:
    return Refused(422, "this Idempotency-Key was used for another request: make a new one", "key_reused")
