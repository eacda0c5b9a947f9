"""Verbs over REST: approvals as in chat, keys that make a repetition harmless, and errors that programs can read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from domain.commands import Door
from tests.gateway.served import Served, served_gateway

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_gateway(tmp_path_factory.mktemp("served")) as made:
        yield made


@pytest.fixture
def tina(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers=served.headers("tina"), timeout=20) as client:
        yield client


def post(client: httpx.Client, verb: str, key: str = "", **arguments: str | int) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/v1/verbs/{verb}", json={"arguments": arguments}, headers=headers)


def halts(served: Served) -> list[str]:
    """Reasons of the halts that the engine has carried out, oldest first."""
    rows = [row for row in served.engine.desk.records.commands(500) if row.verb == "halt" and row.ok]
    return [row.request_id for row in reversed(rows)]


def test_an_order_asks_first_and_is_sent_by_its_action(served: Served, tina: httpx.Client):
    asked = post(tina, "order", side="buy", symbol="SOL", qty="3").json()
    assert asked["ok"]
    assert "Nothing is done yet" in asked["text"]
    yes, no = asked["message"]["actions"]
    assert (yes["label"], yes["is_refusal"], no["label"], no["is_refusal"]) == ("Confirm", False, "Cancel", True)
    assert yes["verb"] == "confirm"
    told = post(tina, yes["verb"], **yes["arguments"]).json()
    assert told["ok"], told["text"]
    served.play(2)
    held = {one.instrument: str(one.qty) for one in served.engine.desk.positions()}
    assert held["SOL-USDC-PERP.PAPER"] == "3.00"
    again = post(tina, yes["verb"], **yes["arguments"]).json()
    assert (again["ok"], "carried out once" in again["text"]) == (False, True)


def test_what_waits_for_votes_is_voted_on_by_others_alone(served: Served, tina: httpx.Client):
    post(tina, "halt", reason="votes")
    rosa = httpx.Client(base_url=served.url, headers=served.headers("rosa"), timeout=20)
    asked = post(rosa, "resume").json()
    [request] = [one for one in tina.get("/api/v1/pending").json() if one["what"] == "resume"]
    assert request["id"] in asked["text"]
    adam = httpx.Client(base_url=served.url, headers=served.adam, timeout=20)
    told = post(adam, "approve", id=request["id"], code=request["digest"][:8])
    assert told.json().get("ok"), told.text
    mine = post(tina, "approve", id=request["id"]).json()
    assert not mine["ok"]
    for client in (rosa, adam):
        client.close()


def test_a_refusal_is_an_answer_and_no_error(tina: httpx.Client):
    for verb, arguments, why in (
        ("strategies-start", {"id": "nobody"}, "no strategy is called"),
        ("resume", {}, "role does not allow"),
        ("cap", {"symbol": "DOGE", "qty": "1"}, "no instrument is called"),
    ):
        answer = post(tina, verb, **arguments)
        assert (answer.status_code, answer.json()["ok"]) == (200, False), verb
        assert why in answer.json()["text"], answer.text


def test_the_same_key_and_body_is_carried_out_once(served: Served, tina: httpx.Client):
    before = len(halts(served))
    first = post(tina, "halt", key="k1", reason="once")
    second = post(tina, "halt", key="k1", reason="once")
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(halts(served)) == before + 1
    assert halts(served)[-1].endswith(":k1")


def test_a_key_for_another_request_is_refused(served: Served, tina: httpx.Client):
    before = len(halts(served))
    post(tina, "halt", key="k2", reason="this")
    for answer in (post(tina, "halt", key="k2", reason="that"), post(tina, "flatten", key="k2", reason="this")):
        assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert len(halts(served)) == before + 1


def test_keys_of_two_callers_are_two(served: Served, tina: httpx.Client):
    before = len(halts(served))
    post(tina, "halt", key="k3", reason="same words")
    with httpx.Client(base_url=served.url, headers=served.headers("rosa")) as rosa:
        assert "idempotency-replayed" not in post(rosa, "halt", key="k3", reason="same words").headers
    assert len(halts(served)) == before + 2


def test_duplicates_at_the_same_time_wait_for_one(served: Served):
    before, headers = len(halts(served)), served.headers("tina")

    def ask(_: int) -> str:
        with httpx.Client(base_url=served.url, headers=headers, timeout=20) as client:
            return post(client, "halt", key="k4", reason="at once").text

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert len(answers) == 1
    assert len(halts(served)) == before + 1


def test_what_could_not_be_right_leaves_its_key_free(tina: httpx.Client):
    assert post(tina, "halt", key="k5", wrong="x").status_code == 422
    assert post(tina, "halt", key="k5", reason="right").json()["ok"]


def test_an_answer_that_holds_a_code_is_given_once_and_kept_nowhere(served: Served, tina: httpx.Client):
    first = post(tina, "link", key="k6", what="telegram").json()
    assert first["message"]["is_secret"], first["text"]
    second = post(tina, "link", key="k6", what="telegram").json()
    assert not second["ok"]
    assert "not kept" in second["text"]


@pytest.mark.parametrize("key", ["", "x" * 129, "two words", "caf\u00e9"])
def test_a_key_that_is_none_is_refused(tina: httpx.Client, key: str):
    headers = {"Idempotency-Key": key.encode()}
    answer = tina.post("/api/v1/verbs/status", json={}, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_argument")


def test_wrong_arguments_are_told_by_name(tina: httpx.Client):
    for verb, arguments, words in (
        ("order", {"side": "hold", "symbol": "BTC", "qty": "1"}, "Side is one of buy, sell"),
        ("order", {"side": "buy", "qty": "1"}, "Symbol is missing"),
        ("order", {"side": "buy", "symbol": "B T C", "qty": "1"}, "Symbol is one word"),
        ("trades", {"n": -3}, "N is a whole number"),
        ("trades", {"n": "many"}, "N is a whole number"),
        ("trades", {"page": "last"}, "Page is not of this form"),
        ("halt", {"because": "x"}, "/halt has no argument 'because': it has reason"),
        ("halt", {"reason": "x" * 1001}, "Reason is at most 1000 characters"),
    ):
        answer = post(tina, verb, **arguments)
        assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
        assert answer.json()["detail"].startswith(words), answer.json()["detail"]


def test_whole_numbers_may_be_numbers(tina: httpx.Client):
    for n in (2, "2", 2.0):
        assert post(tina, "trades", n=n).json()["ok"]  # type: ignore[arg-type]


def test_every_error_of_form_is_a_problem(tina: httpx.Client):
    json_type = {"Content-Type": "application/json"}
    cases = (
        (tina.post("/api/v1/verbs/halt", content=b"reason=x"), 415, "media_type"),
        (tina.post("/api/v1/verbs/halt", content=b'{"arguments": ', headers=json_type), 400, "bad_request"),
        (tina.post("/api/v1/verbs/halt", content=b'{"arguments": {"reason": "\xff"}}', headers=json_type), 400, None),
        (tina.post("/api/v1/verbs/halt", json={"argument": {}}), 422, "bad_argument"),
        (tina.post("/api/v1/verbs/halt", json=[]), 422, "bad_argument"),
        (tina.post("/api/v1/verbs/withdraw", json={}), 404, None),
        (tina.post("/api/v1/verbs/start", json={}), 404, None),
        (tina.post("/api/v1/line", json={"line": ""}), 422, "bad_argument"),
        (tina.post("/api/v1/line", json={"line": "/x", "person": "eve"}), 403, "not_allowed"),
        (tina.post("/api/v1/verbs/halt", content=b"x" * 70_000, headers=json_type), 413, None),
        (tina.get("/api/v1/trades?limit=1&limit=2"), 422, "bad_argument"),
        (tina.get("/api/v1/nothing"), 404, "not_found"),
    )
    for answer, status, code in cases:
        said = answer.json()
        assert (answer.status_code, said["status"]) == (status, status), answer.text
        assert answer.headers["content-type"] == PROBLEM
        assert set(said) == {"type", "title", "status", "detail", "code"}
        assert code in {None, said["code"]}


def test_another_method_is_told_which_there_are(tina: httpx.Client):
    for method, path, allowed in (
        ("POST", "/api/v1/status", "GET, HEAD"),
        ("DELETE", "/api/v1/verbs/halt", "POST"),
        ("GET", "/api/v1/line", "POST"),
    ):
        answer = tina.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.headers["content-type"] == PROBLEM


def test_a_line_is_understood_as_at_a_console(tina: httpx.Client):
    answer = tina.post("/api/v1/line", json={"line": "/statuz"}).json()
    assert (answer["ok"], "did you mean /status" in answer["text"]) == (False, True)


def test_in_paper_a_session_speaks_for_others_and_the_record_says_who(served: Served, tina: httpx.Client):
    tina.post("/api/v1/verbs/halt", json={"arguments": {"reason": "as rosa"}, "person": "rosa"})
    newest = served.engine.desk.records.commands(1)[0]
    assert (newest.person, newest.door) == ("rosa", Door.DASHBOARD.value)


def test_the_audit_is_a_file_of_lines(served: Served, tina: httpx.Client):
    assert tina.get("/api/v1/audit.jsonl").json()["code"] == "role"
    with httpx.Client(base_url=served.url, headers=served.adam) as adam:
        rows = adam.get("/api/v1/audit.jsonl", params={"verb": "halt", "limit": 2})
    lines = rows.text.splitlines()
    assert rows.headers["content-type"].startswith("application/jsonl")
    assert len(lines) == len([row for row in served.engine.desk.records.commands(500) if row.verb.startswith("halt")])
