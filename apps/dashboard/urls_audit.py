from django.urls import path

from apps.dashboard import views

app_name = "audit"
urlpatterns = [path("", views.audit_list, name="list")]
