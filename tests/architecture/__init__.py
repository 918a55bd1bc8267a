"""The laws of the source tree, as tests and as contracts that import-linter enforces."""
