"""Holds requests against the service models that botocore carries, limits included.

    limits.py SERVICE OPERATION < request.json

botocore itself checks names, types and what is required; this also checks lengths, patterns, enums
and unions. Prints a line a fault and exits 1 when there is one.
"""

import json
import re
import sys

import botocore.session
from botocore.validate import ParamValidator


def faults(shape, value, where):
    """What of `value` breaks the limits of `shape`."""
    limits = shape.metadata
    size = value if shape.type_name in ("integer", "long", "float", "double") else len(value) if hasattr(value, "__len__") else None
    if size is not None and not limits.get("min", size) <= size <= limits.get("max", size):
        yield f"{where} has {size}, not {limits.get('min')} to {limits.get('max')}"
    if "enum" in limits and value not in limits["enum"]:
        yield f"{where} is {value!r}, not one of {limits['enum']}"
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        yield f"{where} is {value!r}, not {limits['pattern']}"
    if shape.type_name == "structure":
        if limits.get("union") and len(value) != 1:
            yield f"{where} has {sorted(value)} where one is allowed"
        for name, inner in value.items():
            yield from faults(shape.members[name], inner, f"{where}.{name}")
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            yield from faults(shape.member, inner, f"{where}[{index}]")
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from faults(shape.key, name, f"{where} key")
            yield from faults(shape.value, inner, f"{where}.{name}")


def of_request(service, operation, request):
    """All faults of a request; those that botocore sees first, since the others need its shape."""
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    return [report.generate_report()] if report.has_errors() else list(faults(shape, request, operation))


if __name__ == "__main__":
    found = of_request(sys.argv[1], sys.argv[2], json.load(sys.stdin))
    print("\n".join(found))
    sys.exit(1 if found else 0)
