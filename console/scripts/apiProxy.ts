/** The development server's way to the API, whose rule for browsers knows only the address that Sublet is served at. */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { ProxyOptions } from "vite";

/** Lets a page of the development server pass for one of Sublet's own; the pages of other sites stay what they are. */
export function passAsOwn(asked: Pick<IncomingMessage, "headers">, sent: Pick<ClientRequest, "setHeader">, server: string): void {
  const { origin, host } = asked.headers;
  if (origin !== undefined && origin === `http://${host}`) sent.setHeader("origin", server);
}

export function apiProxy(server: string): ProxyOptions {
  return {
    target: server,
    ws: true,
    configure(proxy) {
      proxy.on("proxyReq", (sent, asked) => passAsOwn(asked, sent, server));
      proxy.on("proxyReqWs", (sent, asked) => passAsOwn(asked, sent, server));
    },
  };
}
