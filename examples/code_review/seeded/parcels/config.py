"""Settings, from a YAML file."""

import yaml

DEFAULTS = {"database": "parcels.db", "language": "en"}


def load(path):
    """The settings of a file, with defaults for what it does not say."""
    with open(path, encoding="utf-8") as stream:
        said = yaml.load(stream, Loader=yaml.Loader)
    return DEFAULTS | (said or {})


def languages(path):
    """The languages that labels are printed in."""
    with open(path, encoding="utf-8") as stream:
        return yaml.safe_load(stream)["languages"]
