"""The hot routes of the API: requests a second and how long one takes, beside a FastAPI app that says hello.

The whole program trades on paper and serves; who asks is a process of its own, over kept connections on loopback. The
yardstick is served by the same uvicorn from a process of its own and does nothing: what is above it is what we add,
which is guard, session, role, limits, headers, and the view itself.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from research.bench.chat import ROOT
from research.bench.gateway_feed import MODES, Program
from research.bench.journal import Row
from research.bench.live import percentiles

CONNECTIONS = 8
WARM = 200
UNLIMITED = {"read": 1e6, "heavy": 1e6, "write": 1e6}
HELLO = """
import sys, fastapi, uvicorn
app = fastapi.FastAPI()
@app.get("/")
async def hello() -> dict[str, str]:
    return {"hello": "world"}
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", http="httptools", access_log=False)
"""
ROUTES: dict[str, tuple[str, str, object]] = {
    "GET status": ("GET", "/api/v1/status", None),
    "GET positions": ("GET", "/api/v1/positions", None),
    "GET orders": ("GET", "/api/v1/orders", None),
    "GET limits": ("GET", "/api/v1/limits", None),
    "POST verbs/status": ("POST", "/api/v1/verbs/status", {"arguments": {}}),
}


def run(count: int) -> list[Row]:
    """`count` requests of each route, with the gateway in the engine's process and in its own; then the yardstick."""
    return asyncio.run(_run(count))


async def _run(count: int) -> list[Row]:
    rows = []
    async with loader() as ask:
        async with _hello() as url:
            rows += await _measured(ask, "FastAPI hello", "yardstick", _request(url, "GET", "/", None, {}), url, count)
        for mode in MODES:
            with tempfile.TemporaryDirectory(prefix="moondev-bench-") as folder:
                async with Program(Path(folder), mode, UNLIMITED) as program:
                    headers = {"Cookie": program.cookie, "Origin": program.url, "X-Requested-With": "bench"}
                    for name, (method, path, body) in ROUTES.items():
                        few = count if method == "GET" else max(10, count // 4)
                        raw = _request(program.url, method, path, body, headers)
                        rows += await _measured(ask, name, mode, raw, program.url, few)
    return rows


async def _measured(ask: Any, name: str, mode: str, raw: str, url: str, count: int) -> list[Row]:  # noqa: ANN401
    where = urlsplit(url)
    told = {"host": where.hostname, "port": where.port, "request": raw, "connections": CONNECTIONS}
    await ask({**told, "count": min(WARM, count)})
    seen = await ask({**told, "count": count})
    p50, p99 = percentiles(seen["taken_ns"])
    place = "uvicorn in a process of its own" if mode == "yardstick" else f"whole program, gateway {MODES[mode]}"
    rules = (
        f"{place}; {count} requests over {CONNECTIONS} kept connections from another process; p50 {p50 / 1e6:.2f} ms"
    )
    if mode != "yardstick":
        rules += "; session, role, CSRF and headers as always, limits of rate raised"
    case = f"{name}, {mode}"
    return [
        Row(case=case, value=len(seen["taken_ns"]) / (seen["whole_ns"] / 1e9), unit="requests/s", rules=rules),
        Row(case=f"{case} p99", value=p99 / 1e6, unit="ms", rules=rules),
    ]


def _request(url: str, method: str, path: str, body: object, headers: dict[str, str]) -> str:
    content = json.dumps(body) if body is not None else ""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", content])


@asynccontextmanager
async def loader() -> AsyncIterator[Any]:
    """A process that asks; give it what to ask."""
    pipe = asyncio.subprocess.PIPE
    words = [sys.executable, "-m", "research.bench.gateway_load"]
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdin=pipe, stdout=pipe, limit=64 << 20)
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018, S101 - they are pipes

    async def ask(asked: dict[str, Any]) -> dict[str, Any]:
        process.stdin.write(json.dumps(asked).encode() + b"\n")  # type: ignore[union-attr]
        line = await process.stdout.readline()  # type: ignore[union-attr]
        found: dict[str, Any] = json.loads(line)
        return found

    try:
        yield ask
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _hello() -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HELLO, str(port))
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()
