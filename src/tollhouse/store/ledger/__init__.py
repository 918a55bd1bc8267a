"""The ledger: holds and settlements, group-committed in SQL. `writer` takes them from callers,
`group` is one transaction, `budget_book` is what budgets there are, `statements` the SQL.
"""
