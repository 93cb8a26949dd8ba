// What sending parcels costs.

const BASE_CENTS = 390;
const PER_KG_CENTS = 45;
const FUEL_SURCHARGE = 0.075;

export interface Quote {
  total_cents: number;
  per_parcel_cents: number;
}

/** The price of a number of parcels that weigh `weight` kilograms together. */
export function quote(weight: number, parcels: number): Quote {
  const net = BASE_CENTS * parcels + PER_KG_CENTS * weight;
  const total = net + net * FUEL_SURCHARGE;
  return { total_cents: total, per_parcel_cents: total / parcels };
}

/** A discount in percent for customers with many parcels a month. */
export function discount(parcelsPerMonth: number): number {
  if (parcelsPerMonth > 1000) return 15;
  if (parcelsPerMonth > 100) return 5;
  // HACK: the sales team promised everybody something
  return 1;
}
