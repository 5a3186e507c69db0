from importlib import import_module

Migration = import_module("apps.explanations.migrations.0001_initial").Migration
