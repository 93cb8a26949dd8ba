-- Rows that name a carrier which is not there.
WITH known AS MATERIALIZED (SELECT carrier_id FROM carriers)
SELECT _line FROM shipments WHERE carrier_id NOT IN (SELECT carrier_id FROM known) ORDER BY _line
