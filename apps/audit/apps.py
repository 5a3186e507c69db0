from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "apps.audit"
    label = "audit"

    def ready(self) -> None:
        """The clerk seals what was written, and anchors the chains' heads outside the database."""
        from apps.audit import anchors, sealing
        from apps.core import clerk

        clerk.register("audit.seal", 0.5, sealing.seal, "sealer", at_end=True)
        clerk.register("audit.anchor", 300, anchors.write, "sealer", at_end=True)
