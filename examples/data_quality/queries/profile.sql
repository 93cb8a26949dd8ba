-- What is in the columns of a table: rows, nulls, different values, least and greatest.
SELECT 'shipment_id' AS name, count(*) AS total, count(*) - count(shipment_id) AS nulls,
       count(DISTINCT shipment_id) AS different, min(shipment_id) AS least, max(shipment_id) AS greatest FROM shipments
UNION ALL
SELECT 'carrier_id', count(*), count(*) - count(carrier_id), count(DISTINCT carrier_id), min(carrier_id), max(carrier_id) FROM shipments
UNION ALL
SELECT 'status', count(*), count(*) - count(status), count(DISTINCT status), min(status), max(status) FROM shipments
UNION ALL
SELECT 'weight_kg', count(*), count(*) - count(weight_kg), count(DISTINCT weight_kg), min(weight_kg), max(weight_kg) FROM shipments
UNION ALL
SELECT 'delivered_on', count(*), count(*) - count(delivered_on), count(DISTINCT delivered_on), min(delivered_on), max(delivered_on) FROM shipments
