"""`/openapi.json`: the inference API as OpenAPI 3.1, made of the code that serves it.

The law of this folder: routes, schemas, formats and errors are read where they are declared; what only people can say
of an operation stands beside its route (`web/description.py`), and nothing is said twice.
"""
