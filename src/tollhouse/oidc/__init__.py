"""OpenID Connect: an issuer of people's tokens, reached over HTTP. `issuer.py` is what services see, as a port.

It is no provider: nothing is called for money there, and what it is trusted with is who somebody is. Authlib speaks the
protocol, joserfc checks signatures; what is asked of the network, how often and for how long, is decided here.
"""
