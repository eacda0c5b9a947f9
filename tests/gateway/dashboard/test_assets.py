"""The dashboard's files over a real socket: types, caching, and what is not served."""

import re

import httpx

from gateway.dashboard.assets import FOLDER
from tests.gateway.conftest import Running


async def test_modules_and_styles_have_the_types_that_browsers_insist_on(running: Running, tina: httpx.AsyncClient):
    for path, kind in (
        ("app.js", "text/javascript"),
        ("vendor/preact-htm.js", "text/javascript"),
        ("style/tokens.css", "text/css"),
        ("style/moon.svg", "image/svg+xml"),
    ):
        answer = await tina.get(f"/static/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].partition(";")[0] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_browser_keeps_a_file_and_asks_whether_it_is_still_right(running: Running, tina: httpx.AsyncClient):
    first = await tina.get("/static/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await tina.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


async def test_nothing_is_listed_and_nothing_else_is_served(running: Running, tina: httpx.AsyncClient):
    for path in (
        "",
        "lib",
        "lib/",
        "vendor/preact.LICENSE",
        "nothing.js",
        "../assets.py",
        "..%2fassets.py",
        "%2e%2e/%2e%2e/app.py",
        "//etc/passwd",
        "lib%00.js",
    ):
        assert (await tina.get(f"/static/{path}")).status_code in {307, 404}, path


def test_every_module_that_is_imported_is_there_and_no_code_stands_in_the_page():
    for module in FOLDER.rglob("*.js"):
        if module.parent.name == "vendor":
            continue
        text = module.read_text()
        for target in re.findall(r'from "([^"]+)"', text):
            assert (module.parent / target).resolve().is_file(), (module.name, target)
        assert not re.search(r"\beval\(|new Function|innerHTML|https?://", text), module.name
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"<style|style=|<script(?![^>]*src=)| on[a-z]+=", page)
    for path in re.findall(r'(?:href|src)="/static/([^"]+)"', page):
        assert (FOLDER / path).is_file(), path
