"""The settings of `moondev run --venue NAME-local`: local venues, and the strategies and people of the paper set-up."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from engine.config.load import BUILT_IN

FILE = "local.yaml"
_HEAD = """\
# Written anew by every `moondev run --venue ...-local`. Local venues are servers of the test tree, with made-up money.
"""
PATIENCE = {"ack_timeout": "6s", "validity": "15s"}
"""dYdX answers when a block has the order, not when it has come in."""
_COMMON = ("risk", "approvals", "execution", "persons", "journal")


def write_local(data: Path, ready: Sequence[Mapping[str, Any]]) -> Path:
    """Write settings and the made-up keys of venues that run, as `tests/exchanges/serve.py` tells of them.

    Returns the settings file. Keys are added to the private secrets file where they are not in it yet.
    """
    built_in = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    settings: dict[str, Any] = {
        "environment": "testnet",
        "data_feed": {"source": "synthetic"},
        "venues": [_venue(venue) for venue in ready],
        "strategies": [spec for venue in ready for spec in _strategies(venue, built_in["strategies"])],
        **{section: built_in[section] for section in _COMMON},
    }
    if any(venue["venue"] == "DYDX" for venue in ready):
        settings["execution"] |= PATIENCE
    path = data / FILE
    path.write_text(_HEAD + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
    _add_secrets(data / "secrets", {name: key for venue in ready for name, key in venue["secrets"].items()})
    return path


def _venue(ready: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": ready["venue"].lower(),
        "network": "local",
        "base_url": ready["url"],
        "instruments": ready["instruments"],
        "accounts": ready["accounts"],
    }


def _strategies(ready: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The market maker on the first instrument, the turtle on the next, as in the paper set-up."""
    kinds = {sample["kind"]: sample for sample in samples}
    account, name = ready["accounts"][0]["id"], ready["venue"].lower()
    return [
        {
            "id": f"{short}-{name}",
            "kind": kind,
            "account": account,
            "instruments": [instrument],
            "params": dict(kinds[kind]["params"]),
        }
        for (short, kind), instrument in zip(
            (("maker", "market_maker"), ("turtle", "turtle")), ready["instruments"], strict=False
        )
    ]


def _add_secrets(path: Path, secrets: Mapping[str, str]) -> None:
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    names = {line.partition("=")[0].strip() for line in known.splitlines()}
    lines = [f"{name} = {value}\n" for name, value in secrets.items() if name not in names]
    if known and not known.endswith("\n"):
        lines.insert(0, "\n")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as file:
        file.writelines(lines)
