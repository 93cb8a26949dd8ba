-- One row a shipment, as billing reads it.
select
    shipment_id,
    carrier_id,
    status,
    coalesce(weight_kg, 0) as weight_kg,
    cost_eur,
    booked_at,
    delivered_on
from {{ source('warehouse', 'shipments') }}
