-- Rows whose key another row has as well.
WITH twice AS MATERIALIZED (SELECT shipment_id FROM shipments GROUP BY shipment_id HAVING count(*) > 1)
SELECT _line FROM shipments WHERE shipment_id IN (SELECT shipment_id FROM twice) ORDER BY _line
