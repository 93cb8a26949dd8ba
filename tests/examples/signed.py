"""Verifies SigV4 signatures, for the function URL of tests/interop/emulator/front.py.

The signature is worked out anew from the request, with nothing of botocore, so that what signs and
what verifies do not share a mistake.
"""

import datetime
import hashlib
import hmac
import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop/emulator"))
import front  # noqa: E402

SERVICE = "lambda"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request), "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def refusal(method, path, headers, body, keys):
    """Why a request does not count as signed with one of `keys` (id to secret); nothing when it does."""
    found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not found:
        return "no signature"
    if found["service"] != SERVICE:
        return f"signed for the service {found['service']}"
    if found["key"] not in keys:
        return "unknown key"
    stamp = headers.get("x-amz-date", "")
    try:
        signed_at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return f"the date {stamp!r}"
    age = datetime.datetime.now(datetime.timezone.utc) - signed_at
    if abs(age) > datetime.timedelta(minutes=5) or not stamp.startswith(found["day"]):
        return "the date is not now"
    names = found["signed"].split(";")
    if "host" not in names or "x-amz-date" not in names or names != sorted(names):
        return f"signed headers {names}"
    target, _, query = path.partition("?")
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join([
        method,
        urllib.parse.quote(target, safe="/-_.~"),
        "&".join(f"{urllib.parse.quote(name, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}" for name, value in pairs),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names),
        "",
        found["signed"],
        hashlib.sha256(body).hexdigest(),
    ])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, found["scope"], hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys[found['key']]}".encode()
    for part in (*found["scope"].split("/"), to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(key.hex(), found["signature"]) else "the signature is another"


def verifying(keys, verdicts):
    """A handler for `front.serve` that lets in what is signed with one of `keys`, and notes each verdict."""

    class Handler(front.Handler):
        def is_signed(self, body):
            headers = {name.lower(): value for name, value in self.headers.items()}
            verdicts.append(refusal(self.command, self.path, headers, body, keys))
            return verdicts[-1] is None

    return Handler
