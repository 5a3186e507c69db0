"""The migrations of ``apps.explanations`` in a later version of the program, as the tests pretend it."""
