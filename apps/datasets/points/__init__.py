"""The mathematics of stored points: a version's parts laid over each other, as they are or as they were known.

Pure functions over Parquet parts (polars); run in the sandbox's child and on workers. ``manifest`` is all that the web
process imports.
"""
