"""What people see of an emergency, and what is left of it: read models, and the incident report from the journal.

views   incidents as screens and chat show them
report  everything about one incident, from the journal, as Markdown and JSON
keeper  preserves the state of a young incident, and writes the report of one that is over
"""
