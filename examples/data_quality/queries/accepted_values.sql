-- Rows with a value that the model does not allow.
SELECT _line FROM shipments WHERE status NOT IN ('booked', 'in_transit', 'delivered', 'lost') ORDER BY _line
