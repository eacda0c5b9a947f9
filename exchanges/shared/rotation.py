"""A key is exchanged for another, step by step, so that orders can be signed at every moment.

    made ──▶ approved ──▶ verified ──▶ switched ──▶ (revoked: over)
     │           │            └ the venue looks at the new key as a start does, with signed questions
     │           └ Hyperliquid: the account's own key approves it; elsewhere a person has made it at the venue
     └ the successor is in the vault, beside the key

Each step is written down when it is done, and may be done twice: a process that was killed goes on where it was. Up to
`verified` it can be taken back; after that it can only be ended, which revokes the old key.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.errors import ConfigError
from domain.instrument import AccountId
from domain.ports import Clock, Secrets, Signer
from domain.views import KeyView
from exchanges.shared.fleet import NEXT
from exchanges.shared.setup import VenueAccount, VenueModule, VenueSetup, venue_module

Say = Callable[[str], None]


class Stage(enum.StrEnum):
    """What is done."""

    BEGUN = "begun"
    MADE = "made"
    APPROVED = "approved"
    VERIFIED = "verified"
    SWITCHED = "switched"


class Progress(Struct, frozen=True, kw_only=True):
    """What outlives a kill. `old` and `new` are public halves; names are the venue's for them, where it has any."""

    key: str
    account: AccountId
    started_ns: int
    stage: Stage = Stage.BEGUN
    old: str = ""
    old_name: str = ""
    new: str = ""
    new_name: str = ""
    burned: str = ""


class RotatingKeys(Protocol):
    """The vault's keys, where they can be exchanged: the signer, or the vault in this process."""

    async def make(self, venue: str, name: str) -> None:
        """Have a successor of a key made."""
        ...

    async def burn(self, venue: str) -> str:
        """The public half of a key that nobody has."""
        ...

    async def switch(self, name: str) -> None:
        """The successor takes the key's place, for whoever signs now."""
        ...

    async def discard(self, name: str) -> None:
        """Forget a successor."""
        ...


class Approver(Protocol):
    """A venue at which a key can be made good, and worthless, without a person. Each step may be done twice."""

    async def begin(self, progress: Progress) -> Progress:
        """Look at the key as it is, and choose names."""
        ...

    async def approve(self, progress: Progress) -> Progress:
        """Make the successor good."""
        ...

    async def use(self, progress: Progress) -> None:
        """A signed request of the successor that changes nothing."""
        ...

    async def revoke(self, progress: Progress, *, successor: bool) -> Progress:
        """Make the old key worthless, or the successor when it is taken back."""
        ...


class Place(Struct, frozen=True, kw_only=True):
    """Where a key is exchanged. `signer` is the venue's now; `owner` one whose own key a person has typed, if so."""

    setup: VenueSetup
    account: VenueAccount
    keys: RotatingKeys
    signer: Callable[[], Signer]
    secrets: Secrets
    owner: Callable[[], Signer] | None
    clock: Clock
    folder: Path


def is_automatic(venue: str) -> bool:
    """Whether a venue lets a program exchange keys; False for one that is none."""
    try:
        return hasattr(venue_module(venue.upper()), "open_approver")
    except (ConfigError, ImportError):
        return False


class Rotation:
    """The exchange of one key; `place.folder` keeps its progress.

    Every step raises `ConfigError` for what a person has to set right, `VenueError` when the venue does not answer.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._module: VenueModule = venue_module(place.setup.venue)
        self._path = place.folder / f"rotation-{place.account.key}.json"
        make = getattr(self._module, "open_approver", None)
        self._approver: Approver | None = make(place) if make is not None else None
        self.progress = self._read()

    @property
    def is_automatic(self) -> bool:
        """Whether the venue lets a program do it; else a person makes and deletes keys at its page."""
        return self._approver is not None

    @property
    def is_new(self) -> bool:
        """Nothing is done yet: the new key is still to come."""
        return self.progress.stage is Stage.BEGUN

    @property
    def names(self) -> tuple[str, ...]:
        """The records that are exchanged: the API key, where the venue has them, then the key that signs."""
        return tuple(filter(None, (self._place.account.api_key, self.progress.key)))

    async def run(self, say: Say) -> None:
        """Do what is left, step by step; `say` hears of each that is done."""
        progress, approver = self.progress, self._approver
        if progress.stage is Stage.BEGUN:
            if approver is not None:
                progress = self._keep(await approver.begin(progress))
                await self._place.keys.make(self._place.setup.venue, progress.key)
            progress = self._keep(replace(progress, stage=Stage.MADE))
            say(f"A successor of {progress.key} is in the vault.")
        if progress.stage is Stage.MADE:
            if approver is not None:
                progress = await approver.approve(progress)
                say(f"{progress.account}: {progress.new} is approved as {progress.new_name!r}.")
            progress = self._keep(replace(progress, stage=Stage.APPROVED))
        if progress.stage is Stage.APPROVED:
            [view] = await self._verify()
            if approver is not None:
                await approver.use(progress)
            progress = self._keep(replace(progress, stage=Stage.VERIFIED))
            say(f"The venue takes the new key, which cannot withdraw ({view.cannot_withdraw}).")
        if progress.stage is Stage.VERIFIED:
            for name in self.names:
                await self._place.keys.switch(name)
            progress = self._keep(replace(progress, stage=Stage.SWITCHED))
            say("From now on the new key signs.")
        await self._end(progress, say)

    async def _end(self, progress: Progress, say: Say) -> None:
        if self._approver is not None:
            progress = self._keep(await self._approver.revoke(progress, successor=False))
            say(f"The old key {progress.old} is worthless: another that nobody has stands in its place.")
        else:
            say(f"Now delete the old key at {self._place.setup.venue}'s page of API keys: that no program may do.")
        self._path.unlink(missing_ok=True)

    async def abort(self, say: Say) -> None:
        """Take it back: the old key stays. Raises `ConfigError` once the new one signs."""
        progress = self.progress
        if not self._path.exists():
            raise ConfigError(f"no exchange of {progress.key} has begun")
        if progress.stage is Stage.SWITCHED:
            raise ConfigError(
                f"the new key of {progress.key} signs already: go on without --abort, or exchange it again"
            )
        if self._approver is not None and progress.new:
            self._keep(await self._approver.revoke(progress, successor=True))
        for name in self.names:
            await self._place.keys.discard(name)
        self._path.unlink(missing_ok=True)
        say(f"Taken back: {progress.key} is as it was." + ("" if self.is_automatic else " Delete the new key there."))

    async def _verify(self) -> tuple[KeyView, ...]:
        """The venue's look at the account with the new key, as at a start; nothing is set or sent."""
        place, account = self._place, self._place.account
        new = replace(account, key=account.key + NEXT)
        if account.api_key:
            new = replace(new, api_key=place.secrets.get(account.api_key + NEXT))
        setup = replace(place.setup, accounts=(new,), folder=None)
        instruments = await self._module.read_instruments(setup, place.signer())
        with_folder = replace(setup, folder=place.folder)
        venue = self._module.open_venue(with_folder, place.clock, place.signer(), instruments)
        try:
            return await venue.check()
        finally:
            await venue.aclose()

    def _read(self) -> Progress:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Progress)
        except FileNotFoundError:
            account = self._place.account
            return Progress(key=account.key, account=account.id, started_ns=self._place.clock.now_ns())
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(
                f"{self._path} cannot be read ({error}): how far the exchange of the key is is not known. Look at the "
                "venue which keys are good there, then remove the file and begin again"
            ) from error

    def _keep(self, progress: Progress) -> Progress:
        """Write down what is done; it is on disk on return."""
        fresh = self._path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(progress))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # else a power cut takes the step back
        finally:
            os.close(folder)
        self.progress = progress
        return progress
