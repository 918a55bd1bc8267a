"""The management API, one Namespace a file.

The law of this folder: a view asks who is calling first, then reads its body by its closed schema in
schemas/, and makes one call of a service. Each operation has an id, a summary, its errors and an example.
"""
