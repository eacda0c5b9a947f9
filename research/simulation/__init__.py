"""Seeded simulation: one seed is one faulty day-part, lived through by the real core and the paper exchange.

    cast        settings, persons, accounts and which strategies run
    wild        strategies that want random things, and sometimes raise
    market      a cheap seeded market
    plan        everything that will go wrong, drawn from the seed before it begins
    people      random commands, votes, repetitions, stale ones
    disk        the journal's disk: late, stuck, full
    door        the venue's door: an independent look at every message that leaves
    books       an independent look at positions, money and protections
    votes       an independent look at halts, approvals and repeated commands
    proof       what must hold of alerts, of recoveries, and at the end of the day
    trouble     carries out the plan
    watched     the core and the kernel with eyes on them
    machine     the process: deaths, recoveries, epochs
    world       the event loop in virtual time
    run         many seeds on several processes, and what they met

Only the edges are simulated. `simulate` is the door; `./moondev simulate` calls `cli.run`.
"""

from research.simulation.run import Summary, simulate
from research.simulation.world import Outcome, World

__all__ = ["Outcome", "Summary", "World", "simulate"]
