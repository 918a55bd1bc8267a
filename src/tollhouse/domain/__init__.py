"""Values, errors and ports of the gateway. The law of this folder: standard library only, no I/O,
values are frozen, and nothing here knows which database, server or vendor is in use.
"""
