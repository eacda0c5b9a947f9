"""Pure policy: limits, sizing, allocation, breakers, approvals and the gate on each intent.

Imports only `domain`. Every decision is a `Verdict` with a coded reason; nothing here reads a
clock, draws a random number or performs I/O.
"""
