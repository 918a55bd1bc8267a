"""A host whose model follows a script: it calls the tools that it is given, reads what they say, and answers from it.

It speaks Chat Completions and Messages, whole and streamed, and refuses what the vendors refuse. `mind.py` is what
the model does, `chat.py` and `messages.py` how each format asks and answers, `host.py` the server.
"""
