"""What the gateway does. The law of this folder: a service is a class with its collaborators in the
constructor; it commits in its own methods and nowhere else; it sees ports, records and wire
formats, never a web framework, a queue, an HTTP client or an entry point.
"""
