import { screen } from "@testing-library/react";
import { delay, http } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import { allocation, entry, managedSku, me, offer, page, topUp } from "~/testing/fixtures";
import { renderAt } from "~/testing/renderAt";
import { fails, get, server, url } from "~/testing/server";

beforeEach(() =>
  server.use(
    get("/me", { ...me, platform_roles: ["admin"] }),
    get("/allocations/al_1/charges", page()),
    get("/allocations/al_1/history", page()),
  ),
);

/** Each page that shows something fetched: its address, what it asks for, and an answer with one thing in it. */
const PAGES: [address: string, path: string, body: object][] = [
  ["/", "/allocations", page(allocation)],
  ["/launch", "/offers", page(offer)],
  ["/allocations/al_1", "/allocations/al_1", allocation],
  ["/billing", "/wallet/entries", page(entry)],
  ["/billing?view=top-ups", "/top-ups", page(topUp)],
  ["/operator/skus", "/admin/skus", { ...page(managedSku), actions: [] }],
];

describe.each(PAGES)("the page at %s", (address, path, body) => {
  test("says that it loads", async () => {
    server.use(http.get(url(path), () => delay("infinite")));
    renderAt(address);
    expect((await screen.findAllByText("Loading")).length).toBeGreaterThan(0);
  });

  test("keeps what it has when a refresh fails, and says how old it is", async () => {
    server.use(get(path, body));
    const { client } = renderAt(address);
    const holds = () => client.getQueryCache().getAll().filter(({ queryKey, state }) => fetched(queryKey, path) && state.data !== undefined);
    await expect.poll(holds).not.toHaveLength(0);
    server.use(fails(path));
    await client.refetchQueries({ predicate: ({ queryKey }) => fetched(queryKey, path) });
    expect((await screen.findAllByText(/^Updated .* ago/)).length).toBeGreaterThan(0);
    expect(screen.queryByText("Loading")).toBeNull();
  });
});

/** Whether a query's key, which holds the path as a template beside its parameters, is for a path. */
function fetched([, template, init]: readonly unknown[], path: string): boolean {
  const id = (init as { params?: { path?: Record<string, string> } } | undefined)?.params?.path ?? {};
  return Object.values(id).reduce((said, value) => said.replace(/\{\w+\}/, value), String(template)) === `/api/v1${path}`;
}
