"""Strategies: folds `decide(memory, view) -> (memory, Desired)` that say what should be.

They import only `domain` and `engine.indicators`, never place an order and never see an order id.
"""
