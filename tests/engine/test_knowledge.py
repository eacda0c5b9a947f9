"""What a replay prints says what the engine knew: prices, positions, orders, strategies, requests, overrides."""

from __future__ import annotations

from decimal import Decimal

from domain import commands as c
from engine.knowledge import as_data, as_lines, table
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, ETH, Rig, places, stop, target, wants


def busy() -> Rig:
    rig = Rig(ASKING).start()
    rig.hold_position(0.5)
    rig.touch(600_100, 600_110)
    for place in places(rig.want(wants(target(0.5, "start"), stop(59_000.0, "start")), 600_100, 600_110)):
        rig.accept(place)
    rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(90_000)), "ann")
    rig.command(c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.5")), "dot")
    rig.command(c.Halt(reason="lunch"), "dot")
    return rig


def rows(lines: list[str], title: str) -> list[list[str]]:
    """The cells of one table, without its heads."""
    at = lines.index(title)
    end = next((n for n in range(at, len(lines)) if not lines[n]), len(lines))
    return [line.split() for line in lines[at + 2 : end]]


def test_everything_a_person_asks_after_an_incident_is_there_in_decimals() -> None:
    lines = as_lines(busy().core)
    assert lines[0] == "Trading  HALTED: lunch, by dot"
    assert "equity 1,000,005.25" in lines[1]
    assert rows(lines, "Prices")[0] == [BTC.id, "60010.0", "60011.0", "-", "0.0", "s"]
    assert rows(lines, "Positions") == [[ACCOUNT, BTC.id, "+0.500", "60000.0", "60010.5", "+5.25", "script"]]
    (order,) = rows(lines, "Orders")
    assert order[1:10] == [ACCOUNT, BTC.id, "sell", "0.500", "0.000", "stop", "59000.0", "stop", "open"]
    assert rows(lines, "Strategies")[0][:5] == ["script", "script", ACCOUNT, "running", "1"]
    assert rows(lines, "Pending requests")[0][:2] == ["R1", "ann"]
    assert rows(lines, "Overrides") == [[ACCOUNT, BTC.id, "cap", "0.500"]]


def test_what_is_not_there_is_said_to_be_none() -> None:
    lines = as_lines(Rig(ASKING).start(load=False).core)
    assert "Positions: none" in lines
    assert "Orders: none" in lines
    assert rows(lines, "Prices")[1] == [ETH.id, "-", "-", "-", "never"]
    assert table("Things", ("a",), []) == ["Things: none"]


def test_programs_get_the_same_as_data() -> None:
    data = as_data(busy().core)
    assert data["status"]["trading_state"] == "halted"
    assert data["prices"][0]["bid"] == "60010.0"
    assert data["overrides"] == [
        {"account": ACCOUNT, "instrument": BTC.id, "hold": False, "flat": False, "cap": "0.500"}
    ]
