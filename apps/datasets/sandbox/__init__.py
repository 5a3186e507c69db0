"""Work on what strangers sent, in a process of its own that is bounded in memory, time and file size.

``runner.run`` is the way in; ``child`` is what it starts. What there is to do stands in ``tasks``, by name.
"""
