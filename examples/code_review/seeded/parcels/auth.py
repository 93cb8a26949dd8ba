"""Who may say where a parcel is."""

import hashlib
import hmac


def digest(token):
    """What is kept of a token."""
    return hashlib.md5(token.encode()).hexdigest()


def is_carrier(token, expected_digest):
    """Whether the token is the carrier's."""
    return digest(token) == expected_digest


def signature(secret, body):
    """What a webhook's header says."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def is_signed(secret, body, given):
    """Whether a webhook's header is right."""
    return hmac.compare_digest(signature(secret, body), given)
