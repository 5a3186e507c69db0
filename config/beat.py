"""The clock of the periodic tasks: a Celery app that knows their names and nothing of Django, so beat stays small."""

from celery import Celery

from config import env

# No fix-ups: the one for Django would load all of it, as the settings are named in the environment.
app = Celery("almanac-beat", broker=env.broker_url(env.text("REDIS_URL")), fixups=[], set_as_current=False)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_serializer="json",
    beat_schedule={
        "tenants.refill": {
            "task": "tenants.refill",
            "schedule": 5.0,  # a burst of sign-ups empties the pool; nobody waits longer than that for the next
            "options": {"queue": "default", "expires": 5},
        },
        "tenants.reconcile": {
            "task": "tenants.reconcile",
            "schedule": 30.0,
            "options": {"queue": "default", "expires": 30},
        },
        "registry.sweep_mlflow": {
            "task": "registry.sweep_mlflow",
            "schedule": 6 * 3600.0,
            "options": {"queue": "default", "expires": 3600},
        },
        "api_keys.tell_expiring": {
            "task": "api_keys.tell_expiring",
            "schedule": 3600.0,
            "options": {"queue": "default", "expires": 3600},
        },
    },
)
