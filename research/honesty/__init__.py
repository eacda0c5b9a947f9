"""Is a backtest to be believed? Checks that try to catch a strategy cheating, its author unaware.

verdict    findings with evidence, a light, the verdict in words
trace      what was decided, call by call, and where two runs part
worlds     the same tape cut off, mirrored, shuffled, years later
case       the strategy on its tape, run with one thing changed
ahead      does it know what comes?
state      is all it knows in its memory?
reach      what does its file reach for?
luggage    what did it bring along? folded: numbers that its file puts together
likeness   would it trade the same market told in other numbers?
check      all checks and the verdict; words: as text, JSON, section of a report
"""
