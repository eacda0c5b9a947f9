"""Backtest, optimise, report: the drivers that run the same `step` over recorded tapes.

The only front room that may import `exchanges.paper` and drive the core directly.

    sources = (open_file(path, FileOptions(...)), open_stored(store, StoredOptions(...)), simulated(...))
    plan = Plan(strategies=(Tested(id="trend", kind="turtle", params={...}), Tested(id="maker", ...)))
    result = run_plan(plan, sources, BacktestSettings(core=load_config(None).to_settings())).result

    run_backtest(StrategyRequest(kind="turtle"), source, settings)     the same for one of each

Opening a source reads and checks it once; its `tape` starts anew at every run, so open once and run often.

market_data, stored   sources: files, stored series, the simulated market
plan                  what is tested
fit                   strategies to sources and accounts; what cannot be run is refused
prepare, merge        a run before its first event: settings, warm-up, one tape
driver, compiled      the kernel in virtual time; order books compiled
venues                several paper exchanges as one
record, result        facts to a result; the result as plain values
provenance            hashes of what it comes from
backtest              `run_plan`, `run_backtest`
summary               for people, and as JSON
"""
