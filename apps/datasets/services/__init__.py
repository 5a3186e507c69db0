"""What can be done with data sets; one function a use case. Other apps import this package and call these names."""

from apps.datasets.services.changes import (
    Changed,
    add_file,
    add_in_background,
    append,
    delete_points,
    perform_addition,
    replace,
    restore,
)
from apps.datasets.services.exports import export, export_filename, perform_export
from apps.datasets.services.inspection import diff, list_series, read_series
from apps.datasets.services.recipes import accept_fixes, preview_fix
from apps.datasets.services.settings import change_settings, delete_dataset, state_expectations
from apps.datasets.services.sources import (
    change_source,
    create_source,
    delete_source,
    fetch_source,
    perform_fetch,
)
from apps.datasets.services.upkeep import (
    compact,
    discard_unused_files,
    examine_version,
    prune,
    tidy,
)
from apps.datasets.services.uploads import (
    accept_upload,
    announce_upload,
    complete_upload,
    create_from_file,
    discard_stale_uploads,
    is_large,
    load_demo,
    perform_acceptance,
    perform_reading,
    preview,
    receive_upload,
)
from apps.datasets.services.versions import finding_json

__all__ = [
    "Changed",
    "accept_fixes",
    "accept_upload",
    "add_file",
    "add_in_background",
    "announce_upload",
    "append",
    "change_settings",
    "change_source",
    "compact",
    "complete_upload",
    "create_from_file",
    "create_source",
    "delete_dataset",
    "delete_points",
    "delete_source",
    "diff",
    "discard_stale_uploads",
    "discard_unused_files",
    "examine_version",
    "export",
    "export_filename",
    "fetch_source",
    "finding_json",
    "is_large",
    "list_series",
    "load_demo",
    "perform_acceptance",
    "perform_addition",
    "perform_export",
    "perform_fetch",
    "perform_reading",
    "preview",
    "preview_fix",
    "prune",
    "read_series",
    "receive_upload",
    "replace",
    "restore",
    "state_expectations",
    "tidy",
]
