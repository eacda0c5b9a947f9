"""The paper venue: a matching simulator used alike by paper trading, backtest and simulation."""
