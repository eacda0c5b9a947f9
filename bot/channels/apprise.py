"""Whatever apprise reaches (some 170 services), as an extra: it says only that something failed, not what.

The library is synchronous and imported only where the settings name one. It works in threads of its own, at most
`MOST_AT_ONCE`; one that hangs longer than its time is left behind, and what it was sending may have arrived.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bot.carrier import NotSent, OutcomeUnknown, RefusedForGood
from bot.store import Letter
from domain.facts import Severity

TIMEOUT_S = 30.0
MOST_AT_ONCE = 2
MOST_ATTEMPTS = 5
"""It cannot be told whether a failure is for good; after so many it is taken for one."""
KINDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "failure", Severity.CRITICAL: "failure"}


class AppriseCarrier:
    """Delivers letters to `apprise:NAME`. `addresses` are apprise's URLs by name, each a secret."""

    def __init__(self, addresses: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
        self._addresses = dict(addresses)
        self._timeout_s = timeout_s
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines show addresses, users among them
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "apprise")

    async def aclose(self) -> None:
        """Give the threads up; one that hangs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def deliver(self, letter: Letter, _replaces_id: str) -> str:
        """Send; see `bot.outbox.Carrier`. The service tells no id; an update is a message of its own."""
        address = self._address(letter.recipient)
        parcel = letter.parcel

        def work() -> bool:
            made = _made(address)
            return bool(made.notify(title=parcel.title, body=parcel.plain, notify_type=KINDS[parcel.severity]))

        loop = asyncio.get_running_loop()
        try:
            arrived = await asyncio.wait_for(loop.run_in_executor(self._threads, work), self._timeout_s)
        except TimeoutError:
            raise OutcomeUnknown(f"no answer within {self._timeout_s:g} s") from None
        if arrived:
            return "taken"
        if letter.attempts >= MOST_ATTEMPTS:
            raise RefusedForGood(f"it failed {letter.attempts} times; apprise does not say why")
        raise NotSent("apprise says only that it failed")

    async def probe(self, recipient: str) -> bool:
        """Whether apprise can read the address; it has no way to ask a service without sending."""
        address = self._address(recipient)
        await asyncio.get_running_loop().run_in_executor(self._threads, lambda: _made(address))
        return False

    def _address(self, recipient: str) -> str:
        name = recipient.partition(":")[2]
        if name not in self._addresses:
            raise RefusedForGood(f"there is no apprise address {name!r} in the settings")
        return self._addresses[name]


def _made(address: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a class of a library that is imported late
    import apprise

    made = apprise.Apprise()
    if not made.add(address):
        raise RefusedForGood("apprise cannot read the address")
    return made
