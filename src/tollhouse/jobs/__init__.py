"""Background work. The law of this folder: a kind is one file that is found by itself, with

    KIND     its name
    EVERY    the setting that says how often it is due, or None
    QUEUE    where it has workers of its own, the name of their queue
    run      a function over services that works off what is due, for about 15 seconds at most

What is due stands in the database; a kind may be run twice at once, or again after a crash.
"""
