"""The OpenAPI document is true: schemathesis asks the running gateway what it promises, and what it does not.

Every operation is asked with what the document allows and with what it forbids; each answer is judged by every check
that schemathesis has: status, type, schema and headers as documented, no 500, nothing forbidden taken, nothing open.
"""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth

from tests.gateway.conftest import Running, serve
from tests.gateway.engine import Engine

SEED = 8
EXAMPLES = {"get": 3, "post": 2}


@dataclass
class Served:
    """A gateway in a loop of its own, and who is logged in to it."""

    running: Running
    headers: dict[str, str]

    @property
    def document(self) -> dict:
        answer = httpx.get(f"{self.running.url}/api/v1/openapi.json", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The gateway over a real engine that has traded a while, logged in as Adam, who may do everything."""
    ready, over = threading.Event(), threading.Event()
    made: list[Served] = []

    async def life() -> None:
        engine = Engine(past_s=30, ops=tmp_path_factory.mktemp("ops") / "ops.db")
        await engine.open_room()
        async with serve(engine) as running:
            async with httpx.AsyncClient(base_url=running.url) as client:
                await running.log_in(client, "adam")
                cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            made.append(Served(running, {"Cookie": cookies, **running.origin, "X-Requested-With": "test"}))
            ready.set()
            await asyncio.to_thread(over.wait)
        await engine.room.store.aclose()

    thread = threading.Thread(target=asyncio.run, args=(life(),), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield made[0]
    over.set()
    thread.join(30)


def test_what_the_document_promises_is_kept(served: Served):
    schema = schemathesis.openapi.from_dict(served.document)
    failures: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
            except Exception as error:  # nothing to negate
                print(operation.label, mode, repr(error)[:100])
                continue

            @seed(SEED)
            @settings(
                max_examples=EXAMPLES[operation.method],
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy)
            def ask(case: schemathesis.Case) -> None:
                case.call_and_validate(
                    base_url=served.running.url, headers=served.headers, excluded_checks=[ignored_auth]
                )

            try:
                ask()
            except BaseException as error:
                if type(error).__name__ in {"Unsatisfiable"}:
                    continue
                failures.append(f"{operation.label} {mode.name}: {error}\n{getattr(error, 'exceptions', '')}")
    print(len(failures))
    print("\n=====\n".join(failures)[:20000])
    assert not failures
