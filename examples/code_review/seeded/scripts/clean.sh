#!/usr/bin/env bash
# Removes labels that were printed: clean.sh DIRECTORY
set -e

directory=$1
rm -rf $directory/printed
mkdir -p "$directory/printed"
