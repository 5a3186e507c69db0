"""The tenant's host: plans and payment."""

from django.urls import path

from apps.billing import views

app_name = "billing"
urlpatterns = [
    path("", views.plan, name="plan"),
    path("checkout/<slug:code>/", views.checkout, name="checkout"),
    path("portal/", views.portal, name="portal"),
    path("return/", views.returned, name="return"),
    path("return/progress/", views.progress, name="progress"),
]
