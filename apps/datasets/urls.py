from django.urls import path

from apps.datasets.views import doctor, overview, sources, uploads, versions

app_name = "datasets"
urlpatterns = [
    path("", overview.dataset_list, name="list"),
    path("new/", uploads.new, name="new"),
    path("demo/", overview.load_demo, name="load_demo"),
    path("sample.csv", overview.sample_csv, name="sample_csv"),
    path("sources/", sources.source_list, name="sources"),
    path("sources/<str:source_id>/fetch/", sources.fetch, name="source_fetch"),
    path("sources/<str:source_id>/delete/", sources.delete, name="source_delete"),
    path("uploads/<str:upload_id>/", uploads.upload_page, name="upload"),
    path("<slug:slug>/", overview.detail, name="detail"),
    path("<slug:slug>/doctor/", doctor.page, name="doctor"),
    path("<slug:slug>/versions/", versions.version_list, name="versions"),
    path("<slug:slug>/versions/<int:number>/", versions.version_page, name="version"),
    path("<slug:slug>/versions/<int:number>/restore/", versions.restore, name="restore"),
    path("<slug:slug>/download/", versions.download, name="download"),
    path("<slug:slug>/add/", versions.add, name="add"),
    path("<slug:slug>/lineage/", versions.lineage_page, name="lineage"),
    path("<slug:slug>/settings/", overview.settings_page, name="settings"),
    path("<slug:slug>/delete/", overview.delete, name="delete"),
]
