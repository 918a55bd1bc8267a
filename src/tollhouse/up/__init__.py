"""`tollhouse up`: every part of the gateway on one machine, under one supervisor.

Parts are child processes and nothing else: what one of them does is in its own room. Whatever happens
to the supervisor, its parts end with it.
"""
