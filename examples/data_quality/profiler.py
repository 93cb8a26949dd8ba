#!/usr/bin/env python3
"""Profiles a table by `query_table`: no row of it goes through a model's context. Counting the values of
a column sorts it within the 64 MiB that a query may hold; of ten million rows that is refused.

    examples/data_quality/profiler.py input/warehouse/shipments.parquet --workspace /tmp/parcels

Prints a profile as JSON: rows, and for each column its nulls, its least, greatest and mean value,
how many different values it has (up to a bound), and the most frequent ones where these are few. An
agent makes the same queries. It needs a binary with the feature `data`, and nothing but Python.
"""

import argparse
import json
import subprocess

# Above so many different values a column is a key or a measure, and its values are not counted.
FEW = 1_000
MOST_FREQUENT = 10


class Refused(Exception):
    """The tool's own error."""


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Table:
    """A table of a workspace, asked by SQL."""

    def __init__(self, binary, workspace, path, options=()):
        self.path = path
        self.command = [binary, "call", "query_table", "-", "--workspace", workspace, "--timeout", "900", *options]

    def ask(self, sql):
        """The answer of one query: `columns` and `rows`."""
        arguments = {"sql": sql, "tables": [{"name": "t", "path": self.path}], "limit": 5_000, "format": "json"}
        done = subprocess.run(self.command, input=json.dumps(arguments), capture_output=True, text=True)
        answer = json.loads(done.stdout or "{}")
        if done.returncode != 0:
            raise Refused(answer.get("error", done.stderr))
        if answer.get("stopped"):
            raise Refused(f"time ran out after {answer['rows_scanned']} rows: {sql}")
        return answer

    def profile(self):
        columns = self.ask("SELECT * FROM t LIMIT 1")["columns"]
        # One pass over the file for all of these.
        parts = ["count(*)"]
        for name in map(quoted, columns):
            parts += [f"count({name})", f"min({name})", f"max({name})", f"avg(CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} END)"]
        [[rows, *values]] = self.ask(f"SELECT {', '.join(parts)} FROM t")["rows"]
        profile = {"path": self.path, "rows": rows, "columns": {}}
        for name in columns:
            (count, least, greatest, mean), values = values[:4], values[4:]
            profile["columns"][name] = {"nulls": rows - count, "least": least, "greatest": greatest, "mean": mean} | self.values(quoted(name))
        return profile

    def values(self, name):
        """How many different values a column has, and which are the most frequent ones. A column of
        many is left as soon as that shows, so that memory stays small however many there are."""
        few = f"SELECT DISTINCT {name} AS v FROM t WHERE {name} IS NOT NULL LIMIT {FEW + 1}"
        [[different]] = self.ask(f"SELECT count(*) FROM ({few})")["rows"]
        if different > FEW:
            return {"different": f"more than {FEW}"}
        frequent = f"SELECT {name}, count(*) FROM t WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_FREQUENT}"
        return {"different": different, "frequent": self.ask(frequent)["rows"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("path", help="the table, from the workspace's root; a glob takes several files as one")
    parser.add_argument("--workspace", default=".", help="the workspace")
    parser.add_argument("--binary", default="target/release/mcp-workspace", help="a server with the feature `data`")
    options = parser.parse_args()
    print(json.dumps(Table(options.binary, options.workspace, options.path).profile(), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
