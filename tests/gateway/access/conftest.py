"""Access with a clock that stands until it is moved, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from domain.access import NewToken, Scope
from domain.commands import Actor, Door
from domain.views import PersonView
from gateway.access.access import Access, AccessRules
from gateway.access.database import open_file, open_url
from gateway.access.desk import Accounts
from tests.engine.storage.conftest import Postgres, postgres  # noqa: F401 - a fixture

START_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
PEOPLE = {"vera": "viewer", "tina": "trader", "rosa": "risk", "adam": "admin"}


class Clock:
    """Wall time, moved by hand."""

    def __init__(self) -> None:
        self.ns = START_NS

    def __call__(self) -> int:
        return self.ns

    def move(self, seconds: float) -> None:
        self.ns += int(seconds * SECOND_NS)


class House:
    """One database, and as many gateways over it as a test opens."""

    def __init__(self, opened: Callable[[], object]) -> None:
        self.clock = Clock()
        self.people = dict(PEOPLE)
        self._opened = opened
        self._made: list[Access] = []

    def open(self, rules: AccessRules | None = None) -> Access:
        """Another process that has it open."""
        made = Access(self._opened, rules, self.clock)  # type: ignore[arg-type]
        self._made.append(made)
        return made

    def persons(self) -> list[PersonView]:
        return [PersonView(id=name, name=name.title(), role=role) for name, role in self.people.items()]

    def accounts(self, access: Access) -> Accounts:
        return Accounts(access, lambda: "https://trade.example", self.persons)

    async def token(
        self, access: Access, person: str, *scopes: Scope, days: float = 30, networks: tuple[str, ...] = ()
    ) -> tuple[str, str]:
        """A token and its id."""
        wanted = NewToken(
            name=f"bot{len(self._made)}{self.clock.ns}{''.join(scopes)}"[:40],
            person=person,
            scopes=scopes or (Scope.READ,),
            life_ns=int(days * DAY_NS),
            networks=networks,
        )
        secret, view = await self.accounts(access).create_token(wanted, by(person))
        return secret, view.id

    def close(self) -> None:
        for access in self._made:
            access.close()


def by(person: str, door: Door = Door.TERMINAL) -> Actor:
    return Actor(person=person, door=door)


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The same claims on both databases."""
    if request.param == "sqlite":
        made = House(lambda: open_file(tmp_path))
    else:
        server: Postgres = request.getfixturevalue("postgres")
        engine = create_engine(server.url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        made = House(lambda: open_url(server.url))
    yield made
    made.close()
