"""The bench of signatures really signs, inside and through a signer in a process of its own."""

import asyncio

from research.bench import signing


def test_every_kind_is_signed_inside_and_through_the_process():
    rows = signing.run(3)
    cases = [row["case"] for row in rows]
    assert len(cases) == len(set(cases)) == 7 * len(signing.kinds())
    assert all(row["value"] > 0 for row in rows)
    assert {row["unit"] for row in rows} == {"us", "1/s"}


def test_what_is_measured_are_orders_that_the_signers_allow():
    signers = signing.signers()
    for kind in signing.kinds():
        [signed] = asyncio.run(signers[kind.venue].sign([kind.request]))
        assert len(signed) in {32, 65}
