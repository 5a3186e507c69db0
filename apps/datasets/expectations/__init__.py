"""What a customer expects of each new version of a data set: stated as JSON, tested when data comes.

``contracts`` is all that the web process imports; ``checking`` (polars, pandera) runs in the sandbox's child.
"""

from apps.datasets.expectations.contracts import Expectation, Fault, Result, faults, parse

__all__ = ["Expectation", "Fault", "Result", "faults", "parse"]
