#!/usr/bin/env bash
# Copies the database to the backup host: backup.sh DATABASE
set -euo pipefail

database=$1
sqlite3 "$database" ".backup '$database.copy'"
curl --fail --insecure --upload-file "$database.copy" https://backup.example.com/parcels
rm -f "$database.copy"
