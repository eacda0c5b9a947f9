"""Long work that people ask for in chat: an id at once, then progress, then figures. Today: backtests.

queue       `Jobs`: one at a time, kept in the operational database, told in the chat that asked
process     one job as a process of its own, at the lowest priority: trading comes first
curve       fewer points of a curve, for the dashboard
backtest    `/backtest` and `/jobs`: words to a command line, its answer to a message
"""
