// Reads the database that the nightly job fills.

import { DatabaseSync } from "node:sqlite";

export interface Shipment {
  shipment_id: string;
  customer_id: string;
  carrier: string;
  shipped_on: string;
  cost_cents: number;
  destination: string;
}

export interface Ledger {
  shipmentsOf(customer: string, order: string): Shipment[];
  search(text: string): Shipment[];
}

export function openLedger(path: string): Ledger {
  const database = new DatabaseSync(path);
  return {
    shipmentsOf(customer, order) {
      const sql = `SELECT * FROM shipments WHERE customer_id = '${customer}' ORDER BY ${order}`;
      return database.prepare(sql).all() as unknown as Shipment[];
    },
    search(text) {
      const statement = database.prepare("SELECT * FROM shipments WHERE destination LIKE ?");
      return statement.all(`%${text}%`) as unknown as Shipment[];
    },
  };
}
