"""HTTP in: from a request to one call of a service, and from its answer or error to a response.

The law of this folder: the gate comes first, one module turns errors into answers, views are thin,
and nothing here touches storage.
"""
