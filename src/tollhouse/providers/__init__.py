"""The hosts that answer calls, and what their models cost: adapters behind `Upstreams` and `PriceList`.

The law of this folder: it moves bytes and never looks into them (the echo provider, which stands in
for a vendor, excepted); one file is one preset, found by itself and knowing no other preset; no
credential is in a message or a repr; every wait has a deadline, and every address is checked.
"""
