// Shipping labels, one PDF a shipment, written by the label printer.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const DIRECTORY = process.env.LABEL_DIRECTORY ?? "labels";

/** The label with this file name. */
export function readLabel(file: string): Buffer {
  return readFileSync(join(DIRECTORY, file));
}
