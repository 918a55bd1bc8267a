"""Batches that go to their provider's own, cheaper batch interface.

The law of this folder: a line that is handed over is held until its result is booked, in the name of its handover and
of no process; whatever dies, what is done again here is done once there; who is to ask whom is decided in SQL.
"""
