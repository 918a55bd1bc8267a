"""Side-by-side measurements against the peers: `make bench`, and `make soak`.

Everything that is measured runs as a process of its own, with an empty home, on this machine's loopback;
nothing of this package is imported by the gateway, and it uses the gateway as its users do: by its commands.
"""
