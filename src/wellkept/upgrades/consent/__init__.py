"""What people say before production is upgraded: they accept findings, ask for and give the approval, and waive gates.

``signing`` is the one way in which a word gets its author, its second person and its end.
"""
