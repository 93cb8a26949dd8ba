// A function of the real binary behind a URL on loopback: the Runtime API that feeds it, and what
// Lambda makes of a request. Whether a signature is right, tests/remote checks; here one must be there.
"use strict";
const { spawn } = require("node:child_process");
const http = require("node:http");

const SIGNER = "arn:aws:sts::123456789012:assumed-role/maria/browser";
const DOMAIN = "review.lambda-url.eu-west-1.on.aws";

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

async function listen(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${server.address().port}`;
}

/** Starts both; `stop` ends them. `requests` holds what was asked of the URL. */
async function startFunction(binary, environment, workspace, policy) {
  const waiting = [];
  const idle = [];
  const running = new Map();
  let number = 0;
  const feed = () => {
    while (waiting.length && idle.length) {
      const [{ event, done }, response] = [waiting.shift(), idle.shift()];
      const id = `00000000-0000-4000-8000-${String(++number).padStart(12, "0")}`;
      running.set(id, done);
      response.writeHead(200, { "Lambda-Runtime-Aws-Request-Id": id, "Lambda-Runtime-Deadline-Ms": Date.now() + 60_000, "Content-Type": "application/json" });
      response.end(JSON.stringify(event));
    }
  };
  const runtime = http.createServer(async (request, response) => {
    if (request.url.endsWith("/invocation/next")) {
      idle.push(response);
      return feed();
    }
    const handed = await body(request);
    const [, id, how] = request.url.match(/invocation\/([^/]+)\/(response|error)$/) ?? [];
    response.writeHead(202).end();
    running.get(id)?.(how === "response" ? JSON.parse(handed) : { statusCode: 502, headers: {}, body: handed.toString() });
    running.delete(id);
  });
  const api = await listen(runtime);
  const requests = [];
  const url = http.createServer(async (request, response) => {
    const [path, query = ""] = request.url.split("?");
    requests.push(`${request.method} ${path}`);
    const authorization = request.headers.authorization ?? "";
    if (!authorization.startsWith("AWS4-HMAC-SHA256 ") || !authorization.includes("/eu-west-1/lambda/aws4_request")) {
      return response.writeHead(403).end('{"Message":"Forbidden"}');
    }
    const event = {
      version: "2.0", rawPath: path, rawQueryString: query, headers: { ...request.headers, host: DOMAIN },
      requestContext: { domainName: DOMAIN, http: { method: request.method, path }, authorizer: { iam: { userArn: SIGNER } } },
      body: (await body(request)).toString("base64"), isBase64Encoded: true,
    };
    const answer = await new Promise((done) => {
      waiting.push({ event, done });
      feed();
    });
    response.writeHead(answer.statusCode, { "content-type": answer.headers["content-type"] ?? "text/plain" });
    response.end(answer.isBase64Encoded ? Buffer.from(answer.body, "base64") : answer.body);
  });
  const address = await listen(url);
  const child = spawn(binary, [], {
    env: { ...environment, AWS_LAMBDA_RUNTIME_API: api, AWS_LAMBDA_FUNCTION_NAME: "review", MCP_WORKSPACE_ROOT: workspace, MCP_WORKSPACE_POLICY: policy },
    stdio: "ignore",
  });
  const stop = () => {
    child.kill();
    for (const server of [runtime, url]) {
      server.close();
      server.closeAllConnections();
    }
  };
  return { url: `http://${address}`, requests, stop };
}

module.exports = { startFunction };
