"""What people have chosen to see as it happens: fills and profit, each in a message that is edited, not repeated.

fills          fills grouped by order; what a message about them says
ticker         profit now, in one message that is kept up to date
subscriptions  who wants what, in the operational database
service        reads the facts, sends what is due, once, whatever was missed
verbs          `/subscribe`, `/unsubscribe` and `/subscriptions`
"""
