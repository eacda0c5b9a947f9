"""The breaker matrix in the core: measures come in, breakers are judged, their actions run, people hear of it.

    table     keys, rules, figures and words
    judge     one measure against its breaker, and everything that a change of state brings with it
    actions   what an open breaker does, in order of priority, and how it is taken back
    machine   latency, error rate and load as drivers measured them; breaches of security
    money     loss of the day, drawdown, age of positions
    market    volatility, spread, age and gaps of one symbol
    unwatched what new settings do not order any more is taken back
    by_hand   opened by a person, released by the quorum

A breaker has the key `WATCH` or `WATCH:SCOPE`; a scope is a venue, a strategy or an instrument. Connections to venues
have their own breakers in `engine.core.breakers`.
"""
