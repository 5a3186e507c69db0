from django.urls import path

from apps.webhooks.api import views

urlpatterns = [
    path("webhooks", views.Webhooks.as_view(), name="api-webhooks"),
    path("webhooks/event-types", views.EventTypes.as_view(), name="api-webhook-types"),
    path(
        "webhooks/deliveries/<str:delivery_id>", views.DeliveryDetail.as_view(), name="api-webhook-delivery"
    ),
    path("webhooks/deliveries/<str:delivery_id>/replay", views.Replay.as_view(), name="api-webhook-replay"),
    path("webhooks/<str:webhook_id>", views.Webhook.as_view(), name="api-webhook"),
    path("webhooks/<str:webhook_id>/rotate", views.Rotation.as_view(), name="api-webhook-rotate"),
    path("webhooks/<str:webhook_id>/test", views.Test.as_view(), name="api-webhook-test"),
    path("webhooks/<str:webhook_id>/deliveries", views.Deliveries.as_view(), name="api-webhook-deliveries"),
]
