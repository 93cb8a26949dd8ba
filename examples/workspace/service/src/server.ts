// The HTTP service over the ledger: shipments, labels and rates.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { isAllowed } from "./auth.ts";
import { openLedger } from "./ledger.ts";
import { readLabel } from "./labels.ts";
import { quote } from "./rates.ts";

const ledger = openLedger(process.env.LEDGER_DATABASE ?? "ledger.sqlite3");

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "access-control-allow-origin": "*",
  });
  response.end(JSON.stringify(body));
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/health") {
    return send(response, 200, { ok: true });
  }
  if (!isAllowed(request.headers.authorization)) {
    return send(response, 401, { error: "unauthorized" });
  }
  if (url.pathname === "/shipments") {
    const customer = url.searchParams.get("customer") ?? "";
    const order = url.searchParams.get("order") ?? "shipped_on";
    return send(response, 200, ledger.shipmentsOf(customer, order));
  }
  if (url.pathname === "/labels") {
    response.writeHead(200, { "content-type": "application/pdf" });
    response.end(readLabel(url.searchParams.get("file") ?? ""));
    return;
  }
  if (url.pathname === "/quote") {
    const weight = Number(url.searchParams.get("weight"));
    const parcels = Number(url.searchParams.get("parcels"));
    return send(response, 200, quote(weight, parcels));
  }
  send(response, 404, { error: `no such page: ${url.pathname}` });
}

createServer((request, response) => {
  // TODO: answer 500 when this fails; the connection stays open now
  handle(request, response);
}).listen(8080, "0.0.0.0");
