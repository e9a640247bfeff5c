"""The API under /api: for programs, with tokens or the session of a signed-in person; the same rules as the pages.

``root.py`` gathers the routers, one file per practice.
"""
