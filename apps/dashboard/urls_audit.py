from django.urls import path

from apps.dashboard import audit_views

app_name = "audit"
urlpatterns = [
    path("", audit_views.audit_list, name="list"),
    path("export/", audit_views.export, name="export"),
]
