"""Stands in for Django's: the commands that `make up` runs, without what they do."""

import json
import os
import signal
import sys
import time


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


command = sys.argv[1]
if command == "clerk":
    signal.pause()
with open("called", "a") as called:
    called.write(command + "\n")
say("for people")
if command == "tenants" and os.environ.get("ALMANAC_OWNER_DSN"):
    import psycopg

    with psycopg.connect(os.environ["ALMANAC_OWNER_DSN"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS django_migrations (applied timestamptz DEFAULT now())")
        connection.execute("INSERT INTO django_migrations DEFAULT VALUES")
if command == "seed_demo":
    for percent in (0, 50, 100):
        say(json.dumps({"stage": "Training", "percent": percent}))
        time.sleep(float(os.environ.get("SLOW_SEED", "0.01")))
    result = {
        "tenant": "acme",
        "email": "alice@acme.example",
        "password": os.environ["ALMANAC_DEMO_PASSWORD"],
        "api_key": "alm_live_x_" + os.environ["ALMANAC_DEMO_API_KEY_SECRET"],
        "dataset": "us-employment",
        "model": "us-employment",
        "dashboard_url": "http://acme.localhost/",
        "operator_email": "operator@almanac.example",
        "operator_password": os.environ["ALMANAC_OPERATOR_PASSWORD"],
    }
    say(json.dumps({"result": result}))
