from django.urls import path

from apps.datasets.api import datasets, points, sources, uploads, versions

urlpatterns = [
    path("uploads", uploads.Uploads.as_view(), name="api-uploads"),
    path("uploads/presign", uploads.UploadPresigning.as_view(), name="api-upload-presign"),
    path("uploads/<str:upload_id>", uploads.UploadDetail.as_view(), name="api-upload"),
    path("uploads/<str:upload_id>/complete", uploads.UploadCompletion.as_view(), name="api-upload-complete"),
    path("datasets", datasets.Datasets.as_view(), name="api-datasets"),
    path("datasets/<slug:name>", datasets.DatasetDetail.as_view(), name="api-dataset"),
    path("datasets/<slug:name>/expectations", datasets.Expectations.as_view(), name="api-expectations"),
    path("datasets/<slug:name>/observations", points.ObservationList.as_view(), name="api-observations"),
    path("datasets/<slug:name>/data", points.Data.as_view(), name="api-data"),
    path("datasets/<slug:name>/findings", versions.Findings.as_view(), name="api-findings"),
    path("datasets/<slug:name>/recipe", versions.RecipeView.as_view(), name="api-recipe"),
    path("datasets/<slug:name>/recipe/preview", versions.RecipePreview.as_view(), name="api-recipe-preview"),
    path("datasets/<slug:name>/versions", versions.Versions.as_view(), name="api-versions"),
    path("datasets/<slug:name>/versions/<int:number>", versions.VersionDetail.as_view(), name="api-version"),
    path("datasets/<slug:name>/versions/<int:number>/diff", versions.VersionDiff.as_view(), name="api-diff"),
    path(
        "datasets/<slug:name>/versions/<int:number>/restore",
        versions.VersionRestoration.as_view(),
        name="api-restore",
    ),
    path("exports/<str:file_id>", points.Export.as_view(), name="api-export"),
    path("sources", sources.Sources.as_view(), name="api-sources"),
    path("sources/<str:source_id>", sources.SourceDetail.as_view(), name="api-source"),
    path("sources/<str:source_id>/fetch", sources.SourceFetch.as_view(), name="api-source-fetch"),
    path("lineage/<slug:kind>/<str:id>", versions.Lineage.as_view(), name="api-lineage"),
]
