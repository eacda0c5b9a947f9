"""The OpenAPI document is true: schemathesis asks the running gateway what it promises, and what it does not.

Operations are asked with what the document allows and with what it forbids; each answer is judged by every check that
schemathesis has: status, type, schema and headers as documented, no 500, nothing forbidden taken, nothing open. Verbs
are checked and described from one table by the kinds of their arguments, so one verb of each shape is asked; of every
verb the examples are.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth

from gateway.access.table import ROUTES
from gateway.arguments import checked
from tests.gateway.served import Served, served_gateway

SEED = 8
QUICK = settings(
    max_examples=2,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


BY_PERSON = ("/health/ready", "/api/v1/line", "/api/v1/step-up")
"""The first may be 503, a person types the second, and wrong codes end a session."""
ONCE = settings(QUICK, max_examples=1)


class Judge:
    """Asks what the document of a running gateway says."""

    def __init__(self, served: Served) -> None:
        self.served = served
        answer = httpx.get(f"{served.url}/api/v1/openapi.json", headers=served.adam)
        assert answer.status_code == 200, answer.text
        self.document: dict[str, Any] = answer.json()
        self.headers = {"Authorization": f"Bearer {served.token('adam')}"}

    def judged(self, paths: Iterable[str]) -> list[str]:
        """What is not as the document says of these paths."""
        some = {**self.document, "paths": {path: self.document["paths"][path] for path in paths}}
        found = []
        for result in schemathesis.openapi.from_dict(some).get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            found += self._asked(operation, GenerationMode.POSITIVE)
            if operation.query or operation.body:
                found += self._asked(operation, GenerationMode.NEGATIVE)
        return found

    def _asked(self, operation: schemathesis.APIOperation, mode: GenerationMode) -> list[str]:
        @seed(SEED)
        @(QUICK if operation.query or operation.body else ONCE)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            # without a token nobody gets in: proved for every route elsewhere, and it locks the address after a while
            case.call_and_validate(base_url=self.served.url, headers=self.headers, excluded_checks=[ignored_auth])

        try:
            ask()
        except FailureGroup as failures:
            return [f"{operation.label} {mode.name}: {failures.exceptions}"]
        return []


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """The document, and the gateway behind it."""
    with served_gateway(tmp_path_factory.mktemp("served")) as served:
        yield Judge(served)


def test_what_is_read_is_as_documented(judge: Judge):
    paths = [path for path in judge.document["paths"] if "/verbs/" not in path and path not in BY_PERSON]
    assert judge.judged(paths) == []


def test_verbs_of_every_shape_are_as_documented(judge: Judge, monkeypatch: pytest.MonkeyPatch):
    # as a person, who may vote
    monkeypatch.setattr(judge, "headers", judge.served.adam)
    shapes: dict[str, str] = {}
    for path, item in judge.document["paths"].items():
        if "/verbs/" in path:
            shapes.setdefault(_shape(item["post"]["requestBody"]), path)
    assert len(shapes) > 8
    assert judge.judged(shapes.values()) == []


def _shape(body: dict[str, Any]) -> str:
    """The kinds of arguments that a verb takes."""
    arguments = body["content"]["application/json"]["schema"]["properties"]["arguments"]
    kinds = {
        (name in arguments["required"], *sorted(key for key in schema if key != "description"))
        for name, schema in arguments["properties"].items()
    }
    return json.dumps(sorted(kinds))


def test_every_example_of_a_verb_says_what_its_line_says(judge: Judge):
    verbs = judge.served.engine.remote.verbs()
    assert sum(len(verb.examples) for verb in verbs) > 100
    for verb in verbs:
        for line, said in zip(verb.examples, verb.example_arguments, strict=True):
            assert line.startswith(f"/{verb.name.partition(' ')[0]}")
            assert checked(verb, said) == said, line


def test_every_view_and_verb_is_in_the_document_and_no_schema_is_missing(judge: Judge):
    document = judge.document
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/")[1:]}:
        kind, _, key = name.partition("/")
        assert key in document["components"][kind], name
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_every_route_of_the_app_is_documented(judge: Judge):
    pages = {"/", "/login", "/login/{token}", "/login/{token:path}", "/logout", "/metrics", "/api/v1/verbs/{verb}"}
    routes = {(path, method.lower()) for method, path in ROUTES if method != "WS" and not path.startswith("/static")}
    documented = {(path, method) for path, item in judge.document["paths"].items() for method in item}
    assert {route for route in routes if route[0] not in pages} == {
        route for route in documented if "/verbs/" not in route[0]
    }
    verbs = {f"/api/v1/verbs/{verb.path}" for verb in judge.served.engine.remote.verbs()}
    assert {route[0] for route in documented if "/verbs/" in route[0]} == verbs
