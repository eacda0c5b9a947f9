"""The command line as a client: tables for people, JSON for programs, exit codes, and how it gets in."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from domain.access import Scope
from domain.errors import MoonDevError
from gateway import cli
from tests.gateway.served import Served, served_gateway

Type = Callable[..., Result]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_gateway(tmp_path_factory.mktemp("served")) as made:
        yield made


@pytest.fixture
def moondev(served: Served, tmp_path: Path) -> Type:
    """Types a line, in a data folder whose service is the one that is served."""
    app = typer.Typer()
    cli.register(app, tmp_path, lambda _, person: served.link(person or "tina"))
    return lambda *words: CliRunner().invoke(app, words)


def test_a_view_is_a_table_for_people_and_json_for_programs(served: Served, moondev: Type):
    shown = moondev("strategies")
    assert shown.exit_code == 0, shown.output
    assert all(one.id in shown.output for one in served.engine.desk.strategies())
    rows = json.loads(moondev("strategies", "--json").output)
    assert [row["id"] for row in rows] == [one.id for one in served.engine.desk.strategies()]


@pytest.mark.parametrize("view", cli.VIEWS)
def test_every_view_of_the_command_line_can_be_shown(moondev: Type, view: str):
    assert moondev(view).exit_code == 0


def test_any_view_is_got_with_its_arguments(moondev: Type):
    assert len(json.loads(moondev("get", "trades", "limit=1", "--json").output)["items"]) <= 1
    assert "bids" in moondev("get", "book", "instrument=BTC-USDC-PERP.PAPER").output


def test_a_verb_says_what_it_came_to_and_a_refusal_is_exit_code_1(moondev: Type):
    asked = moondev("verb", "order", "side=buy", "symbol=SOL", "qty=1")
    assert (asked.exit_code, "Confirm: moondev verb confirm id=C" in asked.output) == (0, True)
    refused = moondev("verb", "strategies-start", "id=nobody")
    assert (refused.exit_code, "no strategy is called" in refused.output) == (1, True)


def test_a_verb_is_written_as_in_chat_or_as_in_an_address(moondev: Type):
    for words in (("strategies-show",), ("strategies", "show"), ("/strategies", "Show")):
        answer = moondev("verb", *words, "id=maker-btc")
        assert (answer.exit_code, "maker-btc" in answer.output) == (0, True), answer.output


def test_yes_confirms_what_is_asked_first(served: Served, moondev: Type):
    done = moondev("verb", "order", "side=buy", "symbol=SOL", "qty=2", "--yes", "--json")
    assert (done.exit_code, json.loads(done.output)["ok"]) == (0, True), done.output
    served.play(2)
    assert any(one.instrument.startswith("SOL") and one.qty for one in served.engine.desk.positions())


def test_it_speaks_as_who_is_named(served: Served, moondev: Type):
    assert json.loads(moondev("get", "me", "--as", "rosa", "--json").output)["person"] == "rosa"


def test_the_session_is_kept_beside_the_data_for_its_owner(served: Served, moondev: Type, tmp_path: Path):
    for _ in range(2):
        assert moondev("status").exit_code == 0
    [kept] = tmp_path.glob("terminal.session*")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_service_elsewhere_is_asked_with_the_token_of_a_file(served: Served, moondev: Type, tmp_path: Path):
    file = tmp_path / "desk.yaml"
    file.touch(0o600)
    file.write_text(f"url: {served.url}\ntoken: {served.token('tina', Scope.READ)}\n")
    me = json.loads(moondev("get", "me", "--service", str(file), "--json").output)
    assert (me["person"], me["kind"], me["scopes"]) == ("tina", "token", ["read"])
    halted = moondev("verb", "halt", "--service", str(file))
    assert "scope" in str(halted.exception)


@pytest.mark.parametrize("words", [("get", "trades", "limit"), ("get", "trades", "limit=1", "limit=2"), ("get",)])
def test_what_is_typed_wrong_is_exit_code_2(moondev: Type, words: tuple[str, ...]):
    assert moondev(*words).exit_code == 2


def test_a_service_without_a_dashboard_says_so(tmp_path: Path):
    app = typer.Typer()
    cli.register(app, tmp_path, lambda _, __: "The dashboard is switched off (gateway.enabled).")
    answer = CliRunner().invoke(app, ["status"])
    assert isinstance(answer.exception, MoonDevError)
    assert "switched off" in str(answer.exception)
