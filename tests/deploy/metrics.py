"""The CloudWatch metrics that exist, and what a dashboard names."""

import json
import re

EXISTING = {
    "AWS/Lambda": {
        "FunctionName": {
            "Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "UrlRequestCount",
            "Url4xxCount", "Url5xxCount", "UrlRequestLatency", "DurableExecutionFailed", "DurableExecutionTimedOut",
        },
    },
    "AWS/S3/Files": {
        "FileSystemId": {
            "StorageBytes", "Inodes", "PendingExports", "ImportFailures", "ExportFailures", "ImportAge", "ExportAge",
            "DataReadBytes", "DataWriteBytes", "MetadataReadBytes", "MetadataWriteBytes", "LostAndFoundFiles",
            "ClientConnections",
        },
    },
    "McpWorkspace": {"Tool,Role": {"Calls", "Denied", "Errors", "Truncated", "LatencyMs", "BytesOut"}},
}
SEARCH = re.compile(r"""SEARCH\('\{([^,}]+),([^}]+)\} MetricName="([A-Za-z0-9]+)"', '([A-Za-z0-9]+)', (\d+)\)""")


def exists(namespace, dimensions, metric):
    """Whether there is such a metric."""
    return metric in EXISTING.get(namespace, {}).get(dimensions, set())


def named_by(body):
    """What a dashboard's widgets show: (widget's title, namespace, dimensions, metric, values)."""
    for widget in json.loads(body)["widgets"]:
        properties = widget["properties"]
        for row in properties.get("metrics", []):
            options = row[-1] if isinstance(row[-1], dict) else {}
            words = [word for word in row if not isinstance(word, dict)]
            if "expression" in options:
                found = SEARCH.fullmatch(options["expression"])
                if not found:
                    raise ValueError(f"{properties['title']}: not understood: {options['expression']}")
                yield properties["title"], found[1], found[2], found[3], []
            else:
                namespace, metric, *pairs = words
                yield properties["title"], namespace, ",".join(pairs[::2]), metric, pairs[1::2]
