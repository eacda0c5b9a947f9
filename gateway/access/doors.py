"""`Doors`: access in the engine's process. It makes links and tokens for the chats, and keeps the house.

doors = Doors(setup, data, secrets, desk)
app = create_app(..., doors.front(verb_rules()), ...)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from domain.access import VerbRule
from domain.commands import Actor, Door
from domain.errors import MoonDevError
from domain.ports import Secrets
from engine.desk import Desk
from gateway.access.access import Access, AccessRules
from gateway.access.database import open_file, open_url
from gateway.access.desk import Accounts
from gateway.access.journal import Housekeeping
from gateway.access.network import Network
from gateway.access.scrape import scrape_token
from gateway.access.table import Table
from gateway.guard import Front, no_codes
from gateway.limits import Limits, Rate
from gateway.server import Outside

OLD_SESSIONS: Final = "sessions.json"


class AccessSetup(Struct, frozen=True, kw_only=True):
    """What the settings say of access, section `gateway`."""

    database: str = ""
    """The secret with a PostgreSQL address; "" = a file in the data folder."""
    hosts: tuple[str, ...] = ()
    behind_proxy: tuple[str, ...] = ()
    certificate: str = ""
    """File of the chain; "" = no TLS here."""
    key: str = ""
    """File of its key."""
    session_ns: int = AccessRules().session_ns
    idle_ns: int = AccessRules().idle_ns
    token_ns: int = AccessRules().token_ns
    per_second: dict[Rate, float] = {}

    @property
    def outside(self) -> Outside:
        """How it may be offered beyond this machine."""
        return Outside(certificate=self.certificate, key=self.key, is_behind_proxy=bool(self.behind_proxy))

    @property
    def is_tls(self) -> bool:
        """Whether the gateway itself speaks TLS."""
        return bool(self.certificate)


def open_access(setup: AccessSetup, data: Path, secrets: Secrets) -> Access:
    """The access database of the settings. Raises `ConfigError`; a server that is away is asked again at each use."""
    rules = AccessRules(session_ns=setup.session_ns, idle_ns=setup.idle_ns, token_ns=setup.token_ns)
    if setup.database:
        return Access(partial(open_url, secrets.get(setup.database)), rules)
    (data / OLD_SESSIONS).unlink(missing_ok=True)
    engine = open_file(data)
    return Access(lambda: engine, rules)


def open_front(
    access: Access,
    setup: AccessSetup,
    data: Path,
    verbs: Mapping[str, VerbRule],
    codes_needed: Callable[[], bool] = no_codes,
) -> Front:
    """What a gateway judges by."""
    return Front(
        access=access,
        table=Table(verbs),
        network=Network(setup.hosts, setup.behind_proxy),
        limits=Limits(setup.per_second),
        scrape=scrape_token(data),
        codes_needed=codes_needed,
    )


def address_of(setup: AccessSetup, host: str, port: int) -> str:
    """Where people open the gateway, without a slash at the end: the first of the names, else the address itself."""
    bare = f"[{host}]" if ":" in host else "127.0.0.1" if host == "localhost" else host
    if not setup.hosts:
        return f"{'https' if setup.is_tls else 'http'}://{bare}:{port}"
    if setup.behind_proxy:
        return f"https://{setup.hosts[0]}"
    scheme, usual = ("https", 443) if setup.is_tls else ("http", 80)
    return f"{scheme}://{setup.hosts[0]}" + (f":{port}" if port != usual else "")


class Doors:
    """Access, as the engine's process has it."""

    def __init__(self, setup: AccessSetup, data: Path, secrets: Secrets, desk: Desk) -> None:
        """Open the access database of a data folder. Raises `ConfigError`."""
        self._setup = setup
        self._data = data
        self._desk = desk
        self._address = ""
        self.access = open_access(setup, data, secrets)
        self.accounts = Accounts(self.access, lambda: self._address, desk.persons)
        self._housekeeping = Housekeeping(self.access, desk.report, desk.persons)

    def front(self, verbs: Mapping[str, VerbRule]) -> Front:
        """What a gateway in this process judges by."""
        return open_front(self.access, self._setup, self._data, verbs, lambda: self._desk.codes_needed)

    def listens(self, host: str, port: int) -> None:
        """The gateway listens there: links lead to it."""
        self.leads_to(address_of(self._setup, host, port))

    def leads_to(self, address: str) -> None:
        """Where links lead."""
        self._address = address

    async def new_link(self, person: str) -> str:
        """A login link for who sits at the terminal, or why there is none."""
        try:
            return await self.accounts.login_link(person, Actor(person=person, door=Door.TERMINAL))
        except MoonDevError as refusal:
            return f"There is no login link: {refusal}."

    async def run(self) -> None:
        """Keep the house until cancelled, then let the database go."""
        try:
            await self._housekeeping.run()
        finally:
            self.access.close()
