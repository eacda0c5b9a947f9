"""What people see of an emergency, and what is left of it: read models, and the incident report from the journal.

views   incidents as screens and chat show them
"""
