"""Credentials in texts that are shown or kept."""

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"(?i)([?&](?:x-amz-|x-goog-|awsaccesskeyid|sig|[a-z_-]*(?:token|key|password|secret))"
    r"[^=\s&]*=)[^&\s'\"]+"
)
_USER = re.compile(r"(://)[^/@\s]+@")


def redacted(text: str) -> str:
    """A text without the passwords and signatures of the URLs in it."""
    return _USER.sub(r"\1***@", _SECRETS.sub(r"\1***", text))
