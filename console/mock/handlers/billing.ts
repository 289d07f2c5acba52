/** The wallet, what moved in it, and payments. */
import { HttpResponse } from "msw";
import type { TopUp } from "~/api/types";
import { freshId, notFound, on, pageOf } from "../api";
import { tell } from "../events";
import { topUp } from "../fixtures/billing";
import { world } from "../world";

function found(id: string): TopUp {
  const payment = world.topUps.find((one) => one.id === id);
  if (payment === undefined) throw notFound();
  return payment;
}

export const billing = [
  on("get", "/api/v1/wallet", () => world.wallet),
  on("get", "/api/v1/wallet/entries", ({ query }) => pageOf(world.entries, query)),
  on("get", "/api/v1/usage", ({ query }) => pageOf(world.usage, query)),

  on("get", "/api/v1/top-ups", ({ query }) => pageOf(world.topUps, query)),
  on("get", "/api/v1/top-ups/{top_up_id}", ({ path }) => found(path.top_up_id)),
  on("post", "/api/v1/top-ups", ({ body, request }) => {
    const id = freshId("tu", world.topUps);
    const begun: TopUp = {
      ...topUp,
      id,
      amount: { amount: body.amount, currency: "USD" },
      state: "pending",
      checkout_url: `${new URL(request.url).origin}/api/v1/top-ups/${id}/return`,
      created_at: new Date().toISOString(),
    };
    world.topUps = [begun, ...world.topUps];
    world.returns[id] = body.return_path ?? "/billing";
    return begun;
  }),
  // Stands for the payment page too: whoever comes here has paid.
  on("get", "/api/v1/top-ups/{top_up_id}/return", ({ path }) => {
    const id = path.top_up_id;
    Object.assign(found(id), { state: "succeeded", checkout_url: null, completed_at: new Date().toISOString() } satisfies Partial<TopUp>);
    tell("top_up.succeeded", id);
    throw new HttpResponse(null, { status: 303, headers: { location: `${world.returns[id] ?? "/billing"}?top_up=${id}` } });
  }),
];
