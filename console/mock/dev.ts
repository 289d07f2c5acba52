/** The mock for a development server: it answers requests, and takes part in WebSockets, of the busy account. */
import { getResponse } from "msw";
import type { WebSocket } from "ws";
import { busy } from "./busy";
import { follow } from "./events";
import { handlers } from "./handlers";
import { shell } from "./shell";
import { begin } from "./world";

begin(busy(Date.now()));

/** What the mock answers; a route that it does not know is not found. */
export async function answer(request: Request): Promise<Response> {
  return (await getResponse(handlers, request)) ?? new Response("The mock does not answer this route.", { status: 404 });
}

/** Speaks the events channel or a terminal, by the path that a socket was opened at. */
export function connect(socket: WebSocket, pathname: string): void {
  if (pathname.endsWith("/terminal")) {
    const { received } = shell(socket);
    socket.on("message", (data, isBinary) => received(isBinary ? (data as Buffer) : String(data)));
    return;
  }
  const stop = follow((event) => socket.send(JSON.stringify(event)));
  socket.on("message", () => socket.send(JSON.stringify({ type: "heartbeat" })));
  socket.on("close", stop);
}
