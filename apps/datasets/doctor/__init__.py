"""The data doctor: what stands out in a long table, where, why, what it does to a forecast, and what could be done.

``examine.examine`` finds; ``fixes.apply`` applies what the customer accepted. Nothing here changes what is stored.
Runs in the sandbox's child and on workers (polars, numpy); ``contracts`` is all that the web process imports.
"""
