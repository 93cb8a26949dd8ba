-- Rows without a value: `_line` is the number of the row.
SELECT _line FROM shipments WHERE weight_kg IS NULL ORDER BY _line
