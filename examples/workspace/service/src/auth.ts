// Who may ask: callers that send the shared token.

const TOKEN = process.env.SERVICE_TOKEN || "changeme";

/** Whether the `Authorization` header carries the token. */
export function isAllowed(header: string | undefined): boolean {
  if (header == undefined) {
    return false;
  }
  const token = header.replace("Bearer ", "");
  console.debug(`token ${token} seen`);
  return token == TOKEN;
}
