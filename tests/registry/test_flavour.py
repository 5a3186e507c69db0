"""What MLflow keeps of a version loads wherever the engine is installed, and gives the API's numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from mlflow import MlflowClient

from apps.api_keys import services as api_keys
from apps.core.tenancy import TenantKey
from apps.engine import pyfunc
from apps.engine.errors import BundleDamaged
from apps.registry.models import ModelVersion
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests.training.conftest import mlflow, tenant, train

__all__ = ["mlflow", "tenant", "train"]
Train = Callable[..., TrainingRun]
# A program of the customer's, which decides for itself that it runs models' code.
LOADING = """
import json, os, sys
os.environ["MLFLOW_ALLOW_MODEL_CODE_EXECUTION"] = "true"
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
asked = pd.DataFrame({"series_id": json.loads(sys.argv[3])})
frame = model.predict(asked, params={"horizon": 4, "levels": [80, 95]})
frame["ds"] = frame["ds"].dt.strftime("%Y-%m-%d")
signature = model.metadata.signature
print(json.dumps({
    "rows": json.loads(frame.to_json(orient="records", double_precision=15)),
    "exact": [float(value).hex() for value in frame["mean"]],
    "inputs": signature.inputs.input_names(), "params": [each.name for each in signature.params],
    "example": model.input_example.to_dict("list"),
}))
"""


def folder_of(client: MlflowClient, version: ModelVersion) -> Path:
    run = client.get_run(version.mlflow_run_id)
    return Path(unquote(urlsplit(f"{run.info.artifact_uri}/model").path))


def load(uri: str, series: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            LOADING,
            settings.MLFLOW_TRACKING_URI,
            uri,
            json.dumps(series),
        ],
        cwd=settings.BASE_DIR,
        env={**os.environ, "PYTHONPATH": str(settings.BASE_DIR)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_pyfunc_gives_the_numbers_of_the_api(train: Train, tenant: TenantKey, mlflow: MlflowClient) -> None:
    run = train(candidates=["theta", "auto_ets"])
    version = run.model_version
    assert version is not None
    with tenant_scope(tenant):
        _key, text = api_keys.create(name="Program", scopes=["forecasts:run"])
    program = Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})
    series = ["series-1", "series-0"]
    body = {"model": version.model.name, "horizon": 4, "levels": [80, 95], "series": series}
    answer = program.post("/v1/forecasts", body, content_type="application/json").json()
    loaded = load(f"models:/{version.mlflow_name}@champion", series)
    assert loaded.returncode == 0, loaded.stderr
    found = json.loads(loaded.stdout.splitlines()[-1])
    rows = [{"series_id": each["series_id"], **row} for each in answer["series"] for row in each["forecast"]]
    exact = [float(row["mean"]).hex() for row in rows]
    assert found["exact"] == exact
    assert [list(row) for row in found["rows"]] == [list(row) for row in rows]
    for ours, theirs in zip(rows, found["rows"], strict=True):
        assert {name: pytest.approx(value) for name, value in ours.items()} == theirs
    assert (found["inputs"], found["params"]) == (["series_id"], ["horizon", "levels"])
    assert found["example"] == {"series_id": ["series-0"]}


def test_a_bundle_that_was_changed_where_mlflow_keeps_it_is_not_loaded(
    train: Train, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    version = train().model_version
    assert version is not None
    (bundle,) = (folder_of(mlflow, version) / "bundle").iterdir()
    assert bundle.stem == version.bundle_sha256
    changed = bytearray(bundle.read_bytes())
    changed[len(changed) // 2] ^= 1
    bundle.write_bytes(changed)
    loaded = load(f"models:/{version.mlflow_name}/{version.mlflow_version}", ["series-0"])
    assert loaded.returncode != 0
    assert "SHA-256" in loaded.stderr


def test_a_folder_without_exactly_one_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleDamaged, match="0 bundles"):
        pyfunc._load_pyfunc(str(tmp_path))


def test_covariates_go_in_as_columns_and_levels_and_horizon_have_defaults(tmp_path: Path) -> None:
    import pandas as pd

    from apps.engine import load_bundle

    kept = Path("tests/engine/bundles/2-covariates.alm")
    bundle = load_bundle(kept)
    (tmp_path / f"{bundle.meta.sha256}.alm").write_bytes(kept.read_bytes())
    model = pyfunc._load_pyfunc(str(tmp_path))
    names = sorted({*bundle.meta.covariates} - {*bundle.meta.events})
    series, horizon = bundle.meta.series_ids[0], bundle.meta.horizon_max
    everything: Any = model.predict(pd.DataFrame({"series_id": []}))
    assert len(everything) == len(bundle.meta.series_ids) * horizon
    assert list(everything.columns) == ["series_id", "ds", "mean", "lo-80", "hi-80", "lo-95", "hi-95"]
    values = {name: [0.0] * horizon for name in names}
    asked = pd.DataFrame({"series_id": [series] * horizon, **values})
    expected = bundle.predict([series], horizon, (50,), {series: values})
    got: Any = model.predict(asked, {"levels": [50]})
    assert got["mean"].tolist() == expected.mean[0].tolist()
    assert got["hi-50"].tolist() == expected.bands[50].hi[0].tolist()
