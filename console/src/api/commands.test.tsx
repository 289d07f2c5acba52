import { QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { describe, expect, test } from "vitest";
import { createQueryClient } from "~/app/queryClient";
import { asked, refuses } from "~/testing/server";
import { allocation } from "~mock/fixtures/allocations";
import { like } from "~mock/fixtures/common";
import { world } from "~mock/world";
import { addSshKey, release, useCommand } from "./commands";
import { allocationQuery, allocationsQuery, meQuery, sshKeysQuery, walletQuery } from "./queries";
import { refreshAll, routeOf, STALE_AFTER } from "./stale";

const first = { cursor: null };
const key = { name: "desk", public_key: "ssh-ed25519 AAAA" };

const keysSent = () => asked("post", "/api/v1/ssh-keys").map((one) => one.key);

/** A page that has read all of this. */
async function page() {
  const client = createQueryClient();
  world.allocations = [like(allocation)];
  await client.prefetchQuery(meQuery());
  await client.prefetchQuery(walletQuery());
  await client.prefetchQuery(sshKeysQuery(first));
  await client.prefetchQuery(allocationsQuery({ includeEnded: false, labels: [], ...first }));
  await client.prefetchQuery(allocationQuery("al_1"));
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>;
  const stale = () => client.getQueryCache().getAll().filter(({ state }) => state.isInvalidated).map(({ queryKey }) => routeOf(queryKey));
  return { client, wrapper, stale };
}

describe("a command", () => {
  test("makes stale what its route says, and nothing else", async () => {
    const { wrapper, stale } = await page();
    const { result } = renderHook(() => useCommand(addSshKey), { wrapper });
    await act(() => result.current.mutateAsync({ key: "k1", body: key }));
    expect(stale()).toEqual(["/api/v1/ssh-keys"]);
  });

  test("of an allocation makes stale what it costs, too", async () => {
    const { wrapper, stale } = await page();
    const { result } = renderHook(() => useCommand(release), { wrapper });
    await act(() => result.current.mutateAsync("al_1"));
    expect(stale()).toEqual(["/api/v1/wallet", "/api/v1/allocations", "/api/v1/allocations/{id_or_name}"]);
  });

  test("makes nothing stale when it is refused", async () => {
    refuses("post", "/api/v1/ssh-keys");
    const { wrapper, stale } = await page();
    const { result } = renderHook(() => useCommand(addSshKey), { wrapper });
    act(() => result.current.mutate({ key: "k1", body: key }));
    await waitFor(() => expect(result.current.isError).toBe(true));
    expect(stale()).toEqual([]);
  });

  test("is sent once until it is done or has failed, however often it is asked for", async () => {
    const { wrapper } = await page();
    const { result } = renderHook(() => useCommand(addSshKey), { wrapper });
    const twice = (intent: string) =>
      act(() => {
        result.current.mutate({ key: intent, body: key });
        result.current.mutate({ key: `${intent} again`, body: key });
      });
    twice("k1");
    await waitFor(() => expect(result.current.isSuccess).toBe(true));
    refuses("post", "/api/v1/ssh-keys");
    twice("k2");
    await waitFor(() => expect(result.current.isError).toBe(true));
    twice("k3");
    await waitFor(() => expect(keysSent()).toEqual(["k1", "k2", "k3"]));
    await waitFor(() => expect(result.current.isError).toBe(true));
  });

  test("sends the key of its intent", async () => {
    const { wrapper } = await page();
    const { result } = renderHook(() => useCommand(addSshKey), { wrapper });
    await act(() => result.current.mutateAsync({ key: "k1", body: key }));
    expect(asked("post", "/api/v1/ssh-keys").map(({ key: sent, body }) => [sent, body])).toEqual([["k1", key]]);
  });
});

test("after a gap everything is asked again but who is signed in", async () => {
  const { client, stale } = await page();
  await refreshAll(client);
  expect(stale()).toHaveLength(4);
  expect(stale()).not.toContain("/api/v1/me");
});

test("nobody who signs in is asked for what was somebody else's", () => {
  expect([STALE_AFTER["post /api/v1/auth/login"], STALE_AFTER["post /api/v1/auth/logout"]]).toEqual([[], []]);
});
