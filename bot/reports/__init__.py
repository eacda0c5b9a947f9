"""Summaries: of the day, the week and the month, when each person wants them, and at once by `/report`.

calendar   when a summary is due and which days it tells of
schedules  who gets which summary when, in the operational database
service    sends what is due, once, whatever was missed
compose    what a summary says
verbs      `/report` and `/schedule`
"""
