import { screen, waitFor, within } from "@testing-library/react";
import { delay, http, HttpResponse } from "msw";
import { describe, expect, test } from "vitest";
import { allocation, page } from "~/testing/fixtures";
import { renderAt } from "~/testing/renderAt";
import { channel, fails, get, problem, server, url } from "~/testing/server";

const busy = () => screen.getByRole("link", { name: "notebook" }).closest("[aria-busy]")?.getAttribute("aria-busy");
const member = (id: string, name: string) => ({ user_id: id, email: `${name}@example.com`, name, role: "member" });

describe("the list of allocations", () => {
  test("says that it loads", async () => {
    server.use(http.get(url("/allocations"), () => delay("infinite")));
    renderAt("/");
    await screen.findByRole("heading", { name: "Allocations" });
    expect(screen.getByText("Loading")).toBeTruthy();
  });

  test("invites to launch when it is empty", async () => {
    renderAt("/");
    expect(await screen.findByText("Nothing is running")).toBeTruthy();
    expect(screen.getByRole("link", { name: "Launch a machine" }).getAttribute("href")).toBe("/launch");
  });

  test("never shows an outage as an empty list, and tries again when asked", async () => {
    server.use(fails("/allocations"));
    const { user } = renderAt("/");
    const alert = await screen.findByRole("alert");
    expect(within(alert).getByText("Request req_42")).toBeTruthy();
    expect(screen.queryByText("Nothing is running")).toBeNull();
    server.use(get("/allocations", page(allocation)));
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("link", { name: "notebook" })).toBeTruthy();
  });

  test("keeps what it has when a refresh fails, and says how old it is", async () => {
    server.use(get("/allocations", page(allocation)));
    const { client } = renderAt("/");
    await screen.findByRole("link", { name: "notebook" });
    server.use(fails("/allocations"));
    await client.refetchQueries({ predicate: ({ queryKey }) => queryKey[1] === "/api/v1/allocations" });
    expect(await screen.findByText(/^Updated .* ago/)).toBeTruthy();
    expect(screen.getByRole("link", { name: "notebook" })).toBeTruthy();
  });

  test("does not go on saying that nothing runs when it can no longer know", async () => {
    const { client } = renderAt("/");
    await screen.findByText("Nothing is running");
    server.use(fails("/allocations"));
    await client.refetchQueries({ predicate: ({ queryKey }) => queryKey[1] === "/api/v1/allocations" });
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.queryByText("Nothing is running")).toBeNull();
  });

  test("shows status, rate, cost and the SSH line as the server gave them", async () => {
    server.use(get("/allocations", page({ ...allocation, node: { id: "nd_1", name: "node-a", limits_enforced: false } })));
    renderAt("/");
    const row = (await screen.findByRole("link", { name: "notebook" })).closest("tr") as HTMLElement;
    for (const text of ["Active", "$0.036/h", "ssh al-1@10.0.0.1", "Small · limits not enforced"]) expect(within(row).getByText(text)).toBeTruthy();
    expect(row.querySelector('data[value="0.03723"]')?.textContent).toBe("$0.03723");
    expect(within(row).getByRole("img", { name: "Ran 1 h 02 min, paid for 2 h 00 min more" })).toBeTruthy();
  });

  test("asks for ended ones when the address says so", async () => {
    let asked: string | null = null;
    server.use(
      http.get(url("/allocations"), ({ request }) => {
        asked = new URL(request.url).searchParams.get("include_ended");
        return HttpResponse.json(page());
      }),
    );
    const { user, router } = renderAt("/");
    await user.click(await screen.findByRole("checkbox", { name: "Show ended" }));
    await waitFor(() => expect(asked).toBe("true"));
    expect(router.state.location.search).toBe("?ended=1");
  });

  test("marks what is left of another filter until its own answer comes", async () => {
    server.use(
      http.get(url("/allocations"), ({ request }) =>
        new URL(request.url).searchParams.get("include_ended") === "true" ? delay("infinite") : HttpResponse.json(page(allocation)),
      ),
    );
    const { user } = renderAt("/");
    await screen.findByRole("link", { name: "notebook" });
    expect(busy()).toBe("false");
    await user.click(screen.getByRole("checkbox", { name: "Show ended" }));
    await waitFor(() => expect(busy()).toBe("true"));
  });

  test("follows an event without being asked", async () => {
    let state = "provisioning";
    server.use(
      http.get(url("/allocations"), () => HttpResponse.json(page({ ...allocation, state }))),
      channel.addEventListener("connection", ({ client }) => {
        client.addEventListener("message", ({ data }) => {
          if (!String(data).includes("after")) return;
          setTimeout(() => {
            state = "active";
            client.send(JSON.stringify({ id: "1.1", type: "allocation.active", time: "", subject: "al_1", data: { name: "notebook" } }));
          }, 300);
        });
      }),
    );
    renderAt("/");
    expect(await screen.findByText("Provisioning")).toBeTruthy();
    expect(await screen.findByText("Active", {}, { timeout: 3_000 })).toBeTruthy();
  });
});

const shows = (body: object) =>
  server.use(get("/allocations/al_1", body), get("/allocations/al_1/charges", page()), get("/allocations/al_1/history", page()));

describe("the page of an allocation", () => {
  test("names what a release does before it is asked for, and releases", async () => {
    shows(allocation);
    let released = false;
    server.use(
      http.post(url("/allocations/al_1/release"), () => {
        released = true;
        return HttpResponse.json({ ...allocation, state: "releasing" }, { status: 202 });
      }),
    );
    const { user } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("button", { name: "Release" }));
    const dialog = await screen.findByRole("alertdialog", { name: "Release notebook?" });
    expect(within(dialog).getByText(/files and its account are deleted/)).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "Release" }));
    await waitFor(() => expect(released).toBe(true));
    await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
  });

  test("keeps the dialog open with the reason when the release is refused", async () => {
    shows(allocation);
    server.use(http.post(url("/allocations/al_1/release"), () => problem(409, "conflict")));
    const { user } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("button", { name: "Release" }));
    const dialog = await screen.findByRole("alertdialog");
    await user.click(within(dialog).getByRole("button", { name: "Release" }));
    expect(await within(dialog).findByRole("alert")).toBeTruthy();
  });

  test("shows a refused action with its reason, and does nothing on a press", async () => {
    shows({ ...allocation, actions: [{ name: "release", allowed: false, reason: "It is being released." }] });
    const { user } = renderAt("/allocations/al_1");
    const button = await screen.findByRole("button", { name: "Release" });
    expect(button.getAttribute("aria-disabled")).toBe("true");
    expect(button.getAttribute("aria-describedby")).toBeTruthy();
    await user.click(button);
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(screen.getByText("It is being released.")).toBeTruthy();
  });

  test("says why it failed", async () => {
    shows({ ...allocation, state: "failed", failure: { code: "no_capacity", message: "No node was free. You were not charged." } });
    renderAt("/allocations/al_1");
    expect(await screen.findByText("No node was free. You were not charged.")).toBeTruthy();
  });

  test("shows the evidence of a release", async () => {
    const checks = [{ name: "processes", clean: true, detail: "0 processes" }];
    shows({ ...allocation, state: "released", evidence: { released_at: "2026-01-01T02:00:00Z", clean: true, checks } });
    renderAt("/allocations/al_1");
    expect(await screen.findByText("Nothing of yours is left on the machine.")).toBeTruthy();
    expect(screen.getByText("0 processes")).toBeTruthy();
  });

  test("shows the price it was launched at once it has ended, and no rate of nothing", async () => {
    const cost = { ...allocation.cost, rate: { ...allocation.cost.rate, amount: "0.00" } };
    shows({ ...allocation, state: "released", ended_at: "2026-01-01T02:00:00Z", cost });
    renderAt("/allocations/al_1");
    const label = await screen.findByText("Launched at");
    expect(label.nextElementSibling?.textContent).toBe("$0.036/h");
    expect(screen.queryByText("$0.00/h")).toBeNull();
  });

  test("names also a member of a later page", async () => {
    shows(allocation);
    const change = { from: null, to: "queued", reason: null, actor: "usr_9", at: "2026-01-01T00:00:00Z" };
    const asked: (string | null)[] = [];
    server.use(
      get("/allocations/al_1/history", page(change)),
      http.get(url("/organizations/org_1/members"), ({ request }) => {
        const cursor = new URL(request.url).searchParams.get("cursor");
        asked.push(cursor);
        return HttpResponse.json(cursor === "more" ? page(member("usr_9", "Zoe")) : { ...page(member("usr_2", "Bob")), next_cursor: "more" });
      }),
    );
    renderAt("/allocations/al_1");
    expect(await screen.findByText("Zoe")).toBeTruthy();
    expect(asked).toEqual([null, "more"]);
  });

  test("names who did something, as far as they are known", async () => {
    shows(allocation);
    const changes = ["usr_1", "usr_2", "worker", "usr_3"].map((actor, second) => ({
      from: null,
      to: "queued",
      reason: null,
      actor,
      at: `2026-01-01T00:00:0${second}Z`,
    }));
    server.use(get("/allocations/al_1/history", page(...changes)));
    renderAt("/allocations/al_1");
    await screen.findByText("Bob");
    for (const name of ["Ada", "Sublet", "usr_3"]) expect(screen.getByText(name, { selector: "td, td *" })).toBeTruthy();
  });
});

describe("the history of an allocation", () => {
  test("is walked page by page, apart from its charges", async () => {
    const change = { from: "active", to: "suspended", reason: "asked for", actor: "worker", at: "2026-01-02T00:00:00Z" };
    server.use(
      get("/allocations/al_1", allocation),
      http.get(url("/allocations/al_1/charges"), ({ request }) =>
        new URL(request.url).searchParams.has("cursor") ? problem(422, "invalid_input") : HttpResponse.json(page()),
      ),
      http.get(url("/allocations/al_1/history"), ({ request }) =>
        HttpResponse.json(new URL(request.url).searchParams.get("cursor") === "more" ? page(change) : { ...page(), next_cursor: "more" }),
      ),
    );
    const { user, router } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("link", { name: "Next page" }));
    expect(await screen.findByText("asked for")).toBeTruthy();
    expect(router.state.location.search).toBe("?history=more");
  });
});
