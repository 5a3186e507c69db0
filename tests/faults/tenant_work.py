"""What the drill of tenants kills: ``python -m tests.faults.tenant_work create|create-by-executor|erase``.

Says ``go`` when it is set up and about to begin, and ``done`` at the end.
"""

from __future__ import annotations

import os
import sys


def main(work: str) -> None:
    """Set Django up, then do the work."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    import django

    django.setup()
    from tenants import provisioning, reconciler, replay
    from tenants.models import Tenant

    Tenant.objects.using("owner").count()  # connected
    if work == "create-by-executor":
        replay.record = lambda *_before: None  # type: ignore[assignment] # as where a migration is no text
    else:
        replay.record()
    say("go")
    if work == "erase":
        assert reconciler.reconcile().erased == 1
    else:
        provisioning.provision()
    say("done")


def say(word: str) -> None:
    """One line to whoever started it."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
