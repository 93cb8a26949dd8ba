"""The command that the scheduler starts every night."""

import logging
import os
import sys
import time

from etl import extract, load, report, transform

log = logging.getLogger("etl.cli")


def run(config_path):
    """One whole run: extract, transform, load, report."""
    config = extract.read_config(config_path)
    rows = extract.read_shipments(config["source"]["shipments"])
    shipments, dropped = transform.normalise_all(rows, config)
    connection = load.connect(config["database"]["path"])
    load.load_shipments(connection, shipments)
    load.load_events(connection, extract.read_events(config["source"]["events"]))
    print(report.render(shipments, dropped, config["report"]["top_lanes"]))
    # The disk of the job runner fills up otherwise.
    os.system("rm -rf " + os.environ.get("LEDGER_TMP", "/tmp/ledger") + "/*")


def main():
    """Runs the job, and again when it fails."""
    logging.basicConfig(level=logging.INFO)
    config_path = sys.argv[1] if len(sys.argv) > 1 else "config/pipeline.yaml"
    for attempt in range(3):
        try:
            return run(config_path)
        except Exception:
            log.exception("attempt %d failed", attempt + 1)
            time.sleep(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
