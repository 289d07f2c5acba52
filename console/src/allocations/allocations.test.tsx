import { cleanup, screen, waitFor, within } from "@testing-library/react";
import { delay } from "msw";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { answers, asked, hangs, refuses, server } from "~/testing/server";
import { on } from "~mock/api";
import { member } from "~mock/fixtures/account";
import { actionsIn, allocation, change, summaryOf } from "~mock/fixtures/allocations";
import { price } from "~mock/fixtures/catalog";
import { like, perHour } from "~mock/fixtures/common";
import { move } from "~mock/progress";
import { world } from "~mock/world";

const LIST = "/api/v1/allocations";
const busy = () => screen.getByRole("link", { name: "notebook" }).closest("[aria-busy]")?.getAttribute("aria-busy");
const ofTheList = { predicate: ({ queryKey }: { queryKey: readonly unknown[] }) => queryKey[1] === LIST };

const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();

/** The account has an allocation, which differs from the usual one. */
function has(differs: Partial<typeof allocation> = {}): void {
  const state = differs.state ?? "active";
  world.allocations = [like(allocation, { actions: actionsIn(state) }, differs)];
}

describe("the list of allocations", () => {
  test("says that it loads", async () => {
    hangs("get", LIST);
    renderAt("/");
    await screen.findByRole("heading", { name: "Allocations" });
    expect(screen.getByText("Loading")).toBeTruthy();
  });

  test("invites to launch when it is empty", async () => {
    renderAt("/");
    expect(await screen.findByText("Nothing is running")).toBeTruthy();
    expect(screen.getByRole("link", { name: "Launch a machine" }).getAttribute("href")).toBe("/launch");
  });

  test("says of what nobody pays for when it is deleted, in the list and on its page", async () => {
    has({ state: "suspended", funds: { ...allocation.funds, data_kept_until: ago(-2.01) } });
    renderAt("/");
    expect(await screen.findByText("Deleted in 2 h 00 min if nobody pays")).toBeTruthy();
    cleanup();
    renderAt(`/allocations/${allocation.id}`);
    expect(await screen.findByText(/it is released in 2 h 00 min, and its files are deleted/)).toBeTruthy();
  });

  test("never shows an outage as an empty list, and tries again when asked", async () => {
    has();
    refuses("get", LIST);
    const { user } = renderAt("/");
    const alert = await screen.findByRole("alert");
    expect(within(alert).getByText("Request req_42")).toBeTruthy();
    expect(screen.queryByText("Nothing is running")).toBeNull();
    server.resetHandlers();
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("link", { name: "notebook" })).toBeTruthy();
  });

  test("keeps what it has when a refresh fails, and says how old it is", async () => {
    has();
    const { client } = renderAt("/");
    await screen.findByRole("link", { name: "notebook" });
    refuses("get", LIST);
    await client.refetchQueries(ofTheList);
    expect(await screen.findByText(/^Updated .* ago/)).toBeTruthy();
    expect(screen.getByRole("link", { name: "notebook" })).toBeTruthy();
  });

  test("does not go on saying that nothing runs when it can no longer know", async () => {
    const { client } = renderAt("/");
    await screen.findByText("Nothing is running");
    refuses("get", LIST);
    await client.refetchQueries(ofTheList);
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.queryByText("Nothing is running")).toBeNull();
  });

  test("shows status, rate, cost and the SSH line as the server gave them", async () => {
    has({ node: { id: "nd_1", name: "node-a", limits_enforced: false } });
    renderAt("/");
    const row = (await screen.findByRole("link", { name: "notebook" })).closest("tr") as HTMLElement;
    for (const text of ["Active", "$0.036/h", "ssh al-1@10.0.0.1", "Small · limits not enforced"]) expect(within(row).getByText(text)).toBeTruthy();
    expect(row.querySelector('data[value="0.03723"]')?.textContent).toBe("$0.03723");
    expect(within(row).getByRole("img", { name: "Ran 1 h 02 min, paid for 2 h 00 min more" })).toBeTruthy();
  });

  test("asks for ended ones when the address says so", async () => {
    has({ state: "released" });
    const { user, router } = renderAt("/");
    await user.click(await screen.findByRole("checkbox", { name: "Show ended" }));
    expect(await screen.findByRole("link", { name: "notebook" })).toBeTruthy();
    expect(router.state.location.search).toBe("?ended=1");
  });

  test("marks what is left of another filter until its own answer comes", async () => {
    const page = { items: [summaryOf(allocation)], next_cursor: null };
    server.use(on("get", LIST, async ({ query }) => (query.get("include_ended") === "true" ? delay("infinite").then(() => page) : page)));
    const { user } = renderAt("/");
    await screen.findByRole("link", { name: "notebook" });
    expect(busy()).toBe("false");
    await user.click(screen.getByRole("checkbox", { name: "Show ended" }));
    await waitFor(() => expect(busy()).toBe("true"));
  });

  test("follows an event without being asked", async () => {
    has({ state: "provisioning" });
    renderAt("/");
    expect(await screen.findByText("Provisioning")).toBeTruthy();
    await screen.findByText("Live");
    move(world.allocations[0]!, "active");
    expect(await screen.findByText("Active", {}, { timeout: 3_000 })).toBeTruthy();
  });
});

describe("the page of an allocation", () => {
  test("says what befell it within a day, and leaves what is older to its history", async () => {
    has({
      incidents: [
        { kind: "out_of_memory", detail: "Out of memory: the kernel ended one of its processes.", at: ago(1) },
        { kind: "node_restarted", detail: "Its node was restarted.", at: ago(30) },
      ],
    });
    renderAt("/allocations/al_1");
    expect(await screen.findByText(/the kernel ended one of its processes/)).toBeTruthy();
    expect(screen.queryByText(/Its node was restarted/)).toBeNull();
  });

  test("restarts what is lost elsewhere, at the price that it showed", async () => {
    has({ state: "lost", restart_price: { ...price, id: "prc_9", per_hour: perHour("0.09") } });
    const { user } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("button", { name: "Restart elsewhere" }));
    const dialog = await screen.findByRole("alertdialog", { name: "Restart notebook on another node?" });
    expect(within(dialog).getByText(/for \$0\.09/)).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "Restart elsewhere" }));
    await waitFor(() => expect(asked("post", "/api/v1/allocations/{id_or_name}/restart-elsewhere").map(({ body }) => body)).toEqual([{ price_id: "prc_9" }]));
  });

  test("names what a release does before it is asked for, and releases", async () => {
    has();
    const { user } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("button", { name: "Release" }));
    const dialog = await screen.findByRole("alertdialog", { name: "Release notebook?" });
    expect(within(dialog).getByText(/files and its account are deleted/)).toBeTruthy();
    expect(asked("post", "/api/v1/allocations/{id_or_name}/release")).toEqual([]);
    await user.click(within(dialog).getByRole("button", { name: "Release" }));
    await waitFor(() => expect(asked("post", "/api/v1/allocations/{id_or_name}/release")).toHaveLength(1));
    await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
    expect(await screen.findByRole("heading", { name: "notebook Releasing" })).toBeTruthy();
  });

  test("keeps the dialog open with the reason when the release is refused", async () => {
    has();
    refuses("post", "/api/v1/allocations/{id_or_name}/release", 409, "conflict");
    const { user } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("button", { name: "Release" }));
    const dialog = await screen.findByRole("alertdialog");
    await user.click(within(dialog).getByRole("button", { name: "Release" }));
    expect(await within(dialog).findByRole("alert")).toBeTruthy();
  });

  test("shows a refused action with its reason, and does nothing on a press", async () => {
    has({ actions: [{ name: "release", allowed: false, reason: "It is being released." }] });
    const { user } = renderAt("/allocations/al_1");
    const button = await screen.findByRole("button", { name: "Release" });
    expect(button.getAttribute("aria-disabled")).toBe("true");
    expect(button.getAttribute("aria-describedby")).toBeTruthy();
    await user.click(button);
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(screen.getByText("It is being released.")).toBeTruthy();
  });

  test("takes a refusal away once the state that it spoke of is over", async () => {
    has({ state: "suspended" });
    refuses("post", "/api/v1/allocations/{id_or_name}/resume", 409, "conflict");
    const { user } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("button", { name: "Resume" }));
    expect(await screen.findByText("Request req_42")).toBeTruthy();
    move(world.allocations[0]!, "active");
    await screen.findByRole("button", { name: "Suspend" }, { timeout: 3_000 });
    expect(screen.queryByText("Request req_42")).toBeNull();
    move(world.allocations[0]!, "suspended");
    await screen.findByRole("button", { name: "Resume" }, { timeout: 3_000 });
    expect(screen.queryByText("Request req_42")).toBeNull();
  });

  test("says why it failed", async () => {
    has({ state: "failed", failure: { code: "no_capacity", message: "No node was free. You were not charged." } });
    renderAt("/allocations/al_1");
    expect(await screen.findByText("No node was free. You were not charged.")).toBeTruthy();
  });

  test("shows the evidence of a release", async () => {
    const checks = [{ name: "processes", clean: true, detail: "0 processes" }];
    has({ state: "released", evidence: { released_at: "2026-01-01T02:00:00Z", clean: true, checks } });
    renderAt("/allocations/al_1");
    expect(await screen.findByText("Nothing of yours is left on the machine.")).toBeTruthy();
    expect(screen.getByText("0 processes")).toBeTruthy();
  });

  test("shows the price it was launched at once it has ended, and no rate of nothing", async () => {
    has({ state: "released", ended_at: "2026-01-01T02:00:00Z", cost: { ...allocation.cost, rate: perHour("0.00") } });
    renderAt("/allocations/al_1");
    const label = await screen.findByText("Launched at");
    expect(label.nextElementSibling?.textContent).toBe("$0.036/h");
    expect(screen.queryByText("$0.00/h")).toBeNull();
  });

  test("names also a member of a later page", async () => {
    has();
    world.pageLength = 1;
    world.members = [member, like(member, { user_id: "usr_9", name: "Zoe" })];
    world.history = { al_1: [like(change, { actor: "usr_9" })] };
    renderAt("/allocations/al_1");
    expect(await screen.findByText("Zoe")).toBeTruthy();
    expect(asked("get", "/api/v1/organizations/{organization_id}/members").map(({ query }) => query.get("cursor"))).toEqual([null, "1"]);
  });

  test("names who did something, as far as they are known", async () => {
    has();
    world.history = { al_1: ["usr_1", "usr_2", "worker", "usr_3"].map((actor, second) => like(change, { actor, at: `2026-01-01T00:00:0${second}Z` })) };
    renderAt("/allocations/al_1");
    await screen.findByText("Bob");
    for (const name of ["Ada", "Sublet", "usr_3"]) expect(screen.getByText(name, { selector: "td, td *" })).toBeTruthy();
  });
});

describe("the history of an allocation", () => {
  test("tells of what changed no state without an arrow", async () => {
    has();
    world.history = { al_1: [like(change, { from: "provisioning", to: "provisioning", reason: "moved" })] };
    renderAt("/allocations/al_1");
    const row = (await screen.findByText("moved")).closest("tr");
    expect(row?.textContent).not.toContain("→");
  });

  test("is walked page by page, apart from its charges", async () => {
    has();
    const later = like(change, { from: "active", to: "suspended", reason: "asked for", actor: "worker", at: "2026-01-02T00:00:00Z" });
    world.pageLength = 1;
    world.history = { al_1: [change, later] };
    answers("get", "/api/v1/allocations/{id_or_name}/charges", { items: [], next_cursor: null });
    const { user, router } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("link", { name: "Next page" }));
    expect(await screen.findByText("asked for")).toBeTruthy();
    expect(router.state.location.search).toBe("?history=1");
    expect(asked("get", "/api/v1/allocations/{id_or_name}/charges").every(({ query }) => !query.has("cursor"))).toBe(true);
  });
});
