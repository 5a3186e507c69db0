"""The end of `make up`: a real forecast over HTTP, shown, and the file that scripts read."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deploy.local.problems import StartProblem

HORIZON = 6
QUOTA_USED_UP = 402
LEVELS = (80, 95)
BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Demo:
    """What `manage.py seed_demo` made."""

    tenant: str
    email: str
    password: str
    api_key: str
    dataset: str
    model: str
    dashboard_url: str
    operator_email: str
    operator_password: str
    series: str | None = None

    @classmethod
    def parse(cls, result: dict[str, Any]) -> Demo:
        """From the command's result, which may say more than we need."""
        return cls(**{name: result[name] for name in cls.__dataclass_fields__ if name in result})

    def request_body(self) -> dict[str, Any]:
        """The forecast to ask for: one series, so that a start costs few of the month's points."""
        chosen: dict[str, Any] = {"series": [self.series]} if self.series else {}
        return {"model": self.model, "horizon": HORIZON, "levels": list(LEVELS)} | chosen


def ask(url: str, demo: Demo) -> dict[str, Any]:
    """POST /v1/forecasts with the key, as a customer would; where the month's quota is used up, an earlier answer."""
    headers = {"Authorization": f"Bearer {demo.api_key}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            answer = client.post("/v1/forecasts", json=demo.request_body())
            if answer.status_code == QUOTA_USED_UP:
                answer = _earlier(client) or answer
    except httpx.HTTPError as error:
        raise StartProblem(f"The API did not answer: {error}.", "See var/log/web.log.") from error
    if answer.status_code != 200:
        raise StartProblem(
            f"The API answered {answer.status_code}: {answer.text[:300]}",
            "See var/log/web.log; `make up` tries again.",
        )
    content: dict[str, Any] = answer.json()
    return content


def _earlier(client: httpx.Client) -> httpx.Response | None:
    """The newest forecast that was billed, made again from its receipt; None where there is none."""
    made = client.get("/v1/forecasts").json()["data"]
    return client.get(f"/v1/forecasts/{made[0]['id']}") if made else None


def table(forecast: dict[str, Any]) -> list[str]:
    """The first series of the answer as a small table with a sparkline."""
    series = forecast["series"][0]
    rows = series["forecast"]
    lines = [f"  {series['series_id']}   {sparkline([row['mean'] for row in rows])}"]
    lines.append(f"  {'ds':<20}{'mean':>12}{'80 %':>26}{'95 %':>26}")
    lines += [
        f"  {str(row['ds'])[:19]:<20}{_number(row['mean']):>12}{_band(row, 80):>26}{_band(row, 95):>26}"
        for row in rows
    ]
    return lines


def sparkline(values: list[float]) -> str:
    """One block a value, from the lowest to the highest."""
    low, high = min(values), max(values)
    width = (high - low) or 1.0
    return "".join(BLOCKS[round((value - low) / width * (len(BLOCKS) - 1))] for value in values)


def _number(value: float) -> str:
    return f"{value:,.1f}"


def _band(row: dict[str, Any], level: int) -> str:
    low, high = row.get(f"lo-{level}"), row.get(f"hi-{level}")
    return "-" if low is None or high is None else f"{_number(low)} … {_number(high)}"


def curl(url: str, demo: Demo) -> str:
    """A line that works when pasted."""
    body = json.dumps(demo.request_body()).replace("'", "'\\''")
    key, kind = f"Authorization: Bearer {demo.api_key}", "Content-Type: application/json"
    return f"curl -s {url}/v1/forecasts -H '{key}' -H '{kind}' -d '{body}'"


def summary(url: str, demo: Demo, forecast: dict[str, Any]) -> list[str]:
    """Everything a person needs to go on."""
    return [
        "",
        f"A forecast by '{demo.model}' (data: '{demo.dataset}'), answered by the API:",
        *table(forecast),
        "",
        f"  Dashboard    {demo.dashboard_url}",
        f"  E-mail       {demo.email}",
        f"  Password     {demo.password}",
        f"  API key      {demo.api_key}",
        f"  Operator     {url}/admin/   {demo.operator_email} / {demo.operator_password}",
        "",
        "Ask for it yourself:",
        f"  {curl(url, demo)}",
        "",
        "Ctrl-C stops everything; the data stays. `make logs` in another terminal shows what happens.",
    ]


def write(path: Path, url: str, demo: Demo) -> None:
    """For scripts: whole or absent, and private."""
    names = ("dashboard_url", "email", "password", "api_key", "tenant", "dataset", "model")
    content = {"url": url} | {name: getattr(demo, name) for name in names}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    partial.rename(path)
