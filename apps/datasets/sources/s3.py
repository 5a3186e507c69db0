"""Files in a bucket of S3, or of a service that speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from apps.core import egress
from apps.datasets.sources.contracts import Fetched, Field, checked, refuse

TITLE = "S3 bucket"
FIELDS = (
    Field("bucket", "Bucket", most=63),
    Field(
        "key",
        "Key or prefix",
        "One object (sales.csv), or a prefix that ends with / or *: its newest object.",
        most=1000,
    ),
    Field("region", "Region", "Such as eu-central-1.", required=False, most=40),
    Field("endpoint_url", "Endpoint", "Only for services other than Amazon's.", required=False, most=500),
    Field("access_key_id", "Access key id", required=False, secret=True),
    Field("secret_access_key", "Secret access key", required=False, secret=True),
)
SECONDS = 20


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Bucket and key; an endpoint is checked as any address that is called."""
    values = checked(FIELDS, config)
    if values.get("endpoint_url"):
        try:
            egress.check_url(values["endpoint_url"])
        except egress.AddressRefused as refused:
            raise refuse("endpoint_url", refused.detail) from None
    return values


def fetch(
    config: Mapping[str, Any],
    secret: Mapping[str, Any],
    into: Path,
    *,
    limit_bytes: int,
    marker: Mapping[str, Any],
) -> Fetched | None:
    """The object, unless it has the ETag of the last fetch."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = config["bucket"]
    try:
        client = _client(config, secret)
        found = _newest(client, bucket, config["key"])
        if found["ETag"] == marker.get("etag") and found["Key"] == marker.get("key"):
            return None
        if found["Size"] > limit_bytes:
            raise egress.CallFailed(host=bucket, reason=f"{found['Key']} has more than {limit_bytes:,} bytes")
        with into.open("wb") as out:
            client.download_fileobj(bucket, found["Key"], out)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise egress.CallFailed(host=bucket, reason=f"the store refused ({code})") from None
    except BotoCoreError as error:
        raise egress.CallFailed(host=bucket, reason=f"the call failed ({type(error).__name__})") from None
    seen = {"etag": found["ETag"], "key": found["Key"]}
    return Fetched(into, PurePosixPath(found["Key"]).name, seen)


def _newest(client: Any, bucket: str, key: str) -> dict[str, Any]:
    if not key.endswith(("/", "*")):
        head = client.head_object(Bucket=bucket, Key=key)
        return {"Key": key, "ETag": head["ETag"], "Size": head["ContentLength"]}
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key.rstrip("*"))
    objects = [each for page in pages for each in page.get("Contents", []) if not each["Key"].endswith("/")]
    if not objects:
        raise egress.CallFailed(host=bucket, reason=f"nothing begins with {key.rstrip('*')}")
    newest: dict[str, Any] = max(objects, key=lambda each: (each["LastModified"], each["Key"]))
    return newest


def _client(config: Mapping[str, Any], secret: Mapping[str, Any]) -> Any:
    """A client with the customer's own credentials, or none: never with this machine's."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    key, hidden = secret.get("access_key_id"), secret.get("secret_access_key")
    endpoint = config.get("endpoint_url") or None
    if endpoint:
        url = egress.check_url(endpoint)
        egress.addresses(url.host, url.port or 443)
    options = {"connect_timeout": SECONDS, "read_timeout": SECONDS, "retries": {"max_attempts": 2}}
    if not key:
        options["signature_version"] = UNSIGNED
    return boto3.session.Session().client(
        "s3",
        region_name=config.get("region") or "us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=key or "none",
        aws_secret_access_key=hidden or "none",
        config=Config(**options),
    )
