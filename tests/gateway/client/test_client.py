"""The Python client against a real gateway, and against servers that fail in the middle of things."""

import http.server
import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import ConfigError
from gateway.client import ApiProblem, Client, ClientError, NoAnswer, ServiceFile, Token, Unknown
from gateway.client.words import shown_answer, shown_view
from tests.gateway.served import Served, served_gateway

OK = (200, b'{"ok":true,"text":"done","message":{"title":"t","severity":"info","ok":true,"stamp":""}}')
BUSY = (503, b'{"type":"about:blank","title":"","status":503,"detail":"The engine is away","code":"engine_lost"}')
CUT = (0, b"")
"""The connection ends without an answer, after the request was read."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_gateway(tmp_path_factory.mktemp("served"), past_s=70) as made:
        yield made


@pytest.fixture
def tina(served: Served) -> Iterator[Client]:
    with served.client() as client:
        yield client


@contextmanager
def scripted(answers: list[tuple[int, bytes]]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that gives these answers in turn; its address, and the headers of what it was asked."""
    heard: list[dict[str, str]] = []
    left = iter(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            heard.append({name.lower(): value for name, value in self.headers.items()})
            status, body = next(left)
            self.close_connection = True
            if not status:
                return
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_one  # noqa: N815 - the names that the library looks for

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client_of(url: str) -> Client:
    return Client(url, Token("t0ken"), sleep=lambda _: None)


def test_views_come_as_the_structs_they_are_made_of(served: Served, tina: Client):
    desk = served.engine.desk
    status = tina.status()
    assert status.equity == desk.status().equity
    assert isinstance(status.equity, Decimal)
    assert tina.positions() == desk.positions()
    assert [one.cid for one in tina.orders(recent=True)] == [one.cid for one in desk.orders(recent=True)]
    assert tina.strategies() == desk.strategies()
    assert tina.breakers() == desk.breakers()
    assert tina.limits()[0].share == desk.detail.limits()[0].share
    assert {price.instrument for price in tina.prices()} == set(desk.instruments())
    assert tina.health().ready is desk.ready()[0]
    assert len(tina.stress()) == len(desk.shocks())
    assert "nothing is recorded" in tina.performance("7d").problem.lower()
    assert {verb.path for verb in tina.verbs()} >= {"halt", "strategies-start"}
    assert not [*tina.alerts(), *tina.jobs()]


def test_every_row_of_a_list_comes_once_over_its_pages(served: Served, tina: Client):
    rows = served.engine.desk.trades(2_000)
    assert len(rows) > 4
    assert list(tina.rows(type(rows[0]), "trades", limit=2)) == rows
    assert list(tina.equity())[::-1] == served.engine.desk.equity_curve()


def test_a_page_goes_on_where_it_was_though_newer_rows_came(served: Served, tina: Client):
    rows = served.engine.desk.trades(2_000)
    turning = tina.rows(type(rows[0]), "trades", limit=2)
    first = [next(turning) for _ in range(2)]
    served.play(60)
    assert len(served.engine.desk.trades(2_000)) > len(rows)
    assert [*first, *turning] == rows


def test_an_order_is_asked_confirmed_and_filled(served: Served, tina: Client):
    asked = tina.run("order", side="buy", symbol="SOL", qty="2")
    yes = next(action for action in asked.message.actions if not action.is_refusal)
    assert tina.run(yes.verb, **yes.arguments).ok
    served.play(2)
    [held] = [one for one in tina.positions() if one.instrument.startswith("SOL")]
    assert held.qty == 2


def test_a_problem_says_what_and_why(tina: Client):
    with pytest.raises(ApiProblem, match="no argument 'colour'") as caught:
        tina.run("halt", colour="red")
    assert (caught.value.status, caught.value.code) == (422, "bad_argument")
    with pytest.raises(ApiProblem, match="not_found"):
        tina.job("J999")


def test_a_session_is_opened_once_kept_for_its_owner_and_opened_anew_when_it_ended(served: Served, tmp_path: Path):
    kept, before = tmp_path / "session", len(served.links)
    for _ in range(2):
        with served.client(kept=kept) as client:
            client.status()
            client.positions()
    assert len(served.links) == before + 1
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    served.end_sessions()
    with served.client(kept=kept) as client:
        assert client.status().environment == "paper"
    assert len(served.links) == before + 2


def test_reading_is_tried_again_and_then_given_up_in_words():
    with scripted([BUSY, CUT, (200, b"[]")]) as (url, heard), client_of(url) as client:
        assert client.positions() == []
        assert len(heard) == 3
    with scripted([BUSY] * 4) as (url, _), client_of(url) as client, pytest.raises(ApiProblem, match="engine is away"):
        client.status()


def test_a_verb_is_sent_again_under_the_same_key_until_there_is_an_answer():
    with scripted([CUT, BUSY, OK]) as (url, heard), client_of(url) as client:
        assert client.run("halt").text == "done"
    assert len({one["idempotency-key"] for one in heard}) == 1
    assert heard[0]["authorization"] == "Bearer t0ken"


def test_a_verb_without_an_answer_is_unknown_and_says_with_which_key_to_ask_again():
    unknown = pytest.raises(Unknown, match="may or may not have been carried out")
    with scripted([CUT] * 4) as (url, heard), client_of(url) as client, unknown as caught:
        client.run("halt")
    assert caught.value.key == heard[0]["idempotency-key"]


def test_nobody_there_means_nothing_was_done():
    with pytest.raises(NoAnswer, match="cannot be reached"):
        client_of("http://127.0.0.1:9").run("halt")


def test_an_answer_of_another_version_is_said_to_be_one():
    unknown = pytest.raises(ClientError, match="another version")
    with scripted([(200, b'{"equity": 5}')]) as (url, _), client_of(url) as client, unknown:
        client.status()


def test_a_token_comes_from_a_file_for_its_owner_alone(tmp_path: Path):
    file = tmp_path / "token"
    with pytest.raises(ConfigError, match="cannot be read"):
        Token.from_file(file)
    file.write_text("t0ken\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Token.from_file(file)
    file.chmod(0o600)
    with scripted([(200, b"[]")]) as (url, heard), Client(url, Token.from_file(file)) as client:
        client.positions()
    assert heard[0]["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    "text",
    [
        "url: ftp://x\ntoken: t",
        "url: http://x",
        "url: http://x\ntoken: t\nkeyring: k",
        "url: http://x\ntoken: t\ncolour: red",
        "- 1",
    ],
)
def test_a_service_file_that_cannot_be_right_says_what_it_takes(tmp_path: Path, text: str):
    file = tmp_path / "service.yaml"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="it takes url"):
        ServiceFile.read(file)


def test_tables_for_people_say_what_the_view_says(tina: Client):
    for view in ("status", "positions", "orders", "strategies", "trades", "limits", "breakers", "health", "risk"):
        text = shown_view(view, tina.raw(view))
        assert text.strip(), view
    assert "BTC-USDC-PERP.PAPER" in shown_view("positions", tina.raw("positions"))
    assert shown_view("pending", b"[]") == "Nothing.\n"
    assert "There is more" in shown_view("trades", tina.raw("trades", limit=1))
    hostile = shown_view("alerts", b'{"items":[{"id":"A1","title":"\\u001b[31mred\\n"}],"next":""}')
    assert "\x1b" not in hostile


def test_an_answer_for_people_names_what_to_type_next(tina: Client):
    said = tina.run("order", side="sell", symbol="SOL", qty="1")
    assert "Confirm: moondev verb confirm id=C" in shown_answer(said, as_json=False)
    assert json.loads(shown_answer(said, as_json=True))["message"]["actions"][1]["is_refusal"]
