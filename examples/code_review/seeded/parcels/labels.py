"""Prints labels."""

import subprocess


def print_label(printer, file):
    """Sends a label to a printer."""
    subprocess.run(f"lp -d {printer} {file}", shell=True, check=True)


def printers():
    """The printers that there are."""
    done = subprocess.run(["lpstat", "-e"], check=True, capture_output=True, text=True)
    return done.stdout.split()
