/** `npm run dev:mock`: the development server answers for the API itself, with the mock in `mock/`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin, ViteDevServer } from "vite";
import { WebSocketServer } from "ws";

type Mock = typeof import("../mock/dev.ts");

const API = "/api/";

/** A request as the mock takes it. */
async function asked(request: IncomingMessage): Promise<Request> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const body = chunks.length === 0 ? null : Buffer.concat(chunks);
  return new Request(new URL(request.url ?? "/", `http://${request.headers.host}`), { method: request.method ?? "GET", headers, body });
}

async function give(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
}

/** Answers all that is asked of the API. The mock is loaded anew whenever one of its files changes, and starts over. */
export function mockApi(): Plugin {
  return {
    name: "mock-api",
    configureServer(server: ViteDevServer) {
      const mock = () => server.ssrLoadModule("/mock/dev.ts") as Promise<Mock>;
      const sockets = new WebSocketServer({ noServer: true });
      server.middlewares.use((request, response, next) => {
        if (!request.url?.startsWith(API)) return next();
        return void Promise.all([mock(), asked(request)])
          .then(async ([{ answer }, question]) => give(await answer(question), response))
          .catch(next);
      });
      server.httpServer?.on("upgrade", (request, socket, head) => {
        if (!request.url?.startsWith(API)) return;
        sockets.handleUpgrade(request, socket, head, (opened) => void mock().then(({ connect }) => connect(opened, request.url ?? "")));
      });
    },
  };
}
