"""Seeing inside: structured logs without secrets, health, and the hash of what is running.

logging.py   ECS JSON to a rotating file, people's lines to the console, from structlog and stdlib alike
redact.py    removes secrets from everything that is written
health.py    live and ready, and the reasons why not
build.py     build and lock hash
"""
