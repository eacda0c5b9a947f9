"""Makes docs/strategies.md: every built-in strategy over the recorded data and over made-up markets, as it comes out.

    .venv/bin/python -m research.strategies_on_record DATA_FOLDER --out docs/strategies.md

said       what each strategy is, in words that no run changes
cases      what is run over the recorded data
ran        a run of a case, or several put one after the other, with its measures
walk       parameters chosen on the blocks before and traded on the next; parameters moved one at a time
made       markets with something planted in them, and the same without
planted    what is run over those, and what it should come to
sharing    risk parity beside equal shares
page       all of that as one page
"""
