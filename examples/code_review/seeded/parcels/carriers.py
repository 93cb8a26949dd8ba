"""Asks carriers where a parcel is."""

import json
import urllib.request

ATTEMPTS = 3


def ask(url):
    """What a carrier says; none when it cannot be reached."""
    for _ in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except:
            continue
    return None


def ask_quietly(url):
    """As `ask`, for carriers that answer with nonsense at times."""
    try:
        return ask(url)
    except ValueError:
        return None
