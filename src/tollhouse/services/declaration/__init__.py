"""One TOML file that says what is to be there: applied, compared, and written from the database.

The law of this folder: the database is the truth and the file a way to write it. What the file names becomes as the
file says; what it does not name stays as it is. A section a file; what a section changes, it changes through the
service that owns it.
"""
