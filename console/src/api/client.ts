/** The one HTTP client: same origin, cookies of this site, and every failure turned into a Problem. */
import createFetchClient from "openapi-fetch";
import createQueryClient from "openapi-react-query";
import { problemFromNetwork, problemFromResponse } from "~/errors";
import type { paths } from "./schema";

export const http = createFetchClient<paths>({
  baseUrl: window.location.origin,
  credentials: "same-origin",
  fetch: (request) => globalThis.fetch(request),
});

http.use({
  async onResponse({ response }) {
    if (!response.ok) throw await problemFromResponse(response);
    return response;
  },
  onError: ({ error }) => problemFromNetwork(error),
});

export const api = createQueryClient(http);

/** The body of an answer; failures were thrown before this. */
export function body<T>(answer: { data?: T }): T {
  return answer.data as T;
}
