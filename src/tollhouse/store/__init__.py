"""SQL: the truth about keys, money and work. The law of this folder: rows stay home (services turn
them into plain values), the inference path touches the ledger writer alone, times are the
database's, and no transaction holds SQLite's write lock for longer than 50 ms.
"""
