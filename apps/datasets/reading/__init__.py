"""Files of customers -> a typed long table, or precise problems. Django-free; runs in a limited child.

``asking.read_file`` is the way in for the rest of the program; everything else here runs inside the child.
This package imports nothing by itself, so that the web process never loads polars.
"""
