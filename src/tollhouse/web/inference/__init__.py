"""The vendors' own endpoints, one a file. Plain Flask views: they answer in the vendors' shapes."""
