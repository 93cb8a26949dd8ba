import assert from "node:assert/strict";
import { test } from "node:test";
import { discount, quote } from "../src/rates.ts";

test("one parcel of two kilograms", () => {
  assert.equal(Math.round(quote(2, 1).total_cents), 516);
});

test("a thousand parcels are not more than a thousand", () => {
  assert.equal(discount(1000), 5);
});
