"""Settings of files: where what is uploaded, and what batches make, is kept."""

from dataclasses import dataclass

from tollhouse.settings.kinds import bucket, setting, web_address


@dataclass(frozen=True)
class FileSettings:
    """A folder of the home, or a bucket of a store that speaks S3."""

    files_url: str = setting(
        "TOLLHOUSE_FILES_URL",
        "The bucket of an S3-compatible store where files are kept; empty: a folder of the home, which all machines "
        "must share.",
        "",
        bucket,
    )
    s3_endpoint: str = setting(
        "TOLLHOUSE_S3_ENDPOINT", "The address of that store; empty: Amazon's own, of the region.", "", web_address
    )
    s3_region: str = setting("AWS_REGION", "The region of the bucket.", "us-east-1")
    s3_access_key_id: str = setting(
        "AWS_ACCESS_KEY_ID", "Who asks that store; empty: whoever this machine is, by its role or its profile.", ""
    )
    s3_secret_access_key: str = setting("AWS_SECRET_ACCESS_KEY", "The secret of that.", "", secret=True)
