"""The bare host: where Stripe's events arrive."""

from django.urls import path

from apps.billing import views

app_name = "stripe"
urlpatterns = [path("stripe/webhook/", views.webhook, name="webhook")]
