from django.urls import path

from apps.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("", views.endpoint_list, name="list"),
    path("new/", views.create, name="new"),
    path("deliveries/<str:delivery_id>/", views.delivery, name="delivery"),
    path("deliveries/<str:delivery_id>/replay/", views.replay, name="replay"),
    path("<str:webhook_id>/", views.detail, name="detail"),
    path("<str:webhook_id>/log/", views.log, name="log"),
    path("<str:webhook_id>/change/", views.change, name="change"),
    path("<str:webhook_id>/rotate/", views.rotate, name="rotate"),
    path("<str:webhook_id>/test/", views.test, name="test"),
    path("<str:webhook_id>/switch/", views.switch, name="switch"),
    path("<str:webhook_id>/delete/", views.delete, name="delete"),
]
