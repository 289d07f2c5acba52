/** The wallet, what moved in it, and payments. */
import { HttpResponse } from "msw";
import type { CardSetup, SavedCard, SpendingLimit, TopUp } from "~/api/types";
import { freshId, notFound, on, pageOf } from "../api";
import { tell } from "../events";
import { autoTopUp, cardSetup, explainedCharge, savedCard, spendingLimit, topUp } from "../fixtures/billing";
import { like, may } from "../fixtures/common";
import { world } from "../world";

function found(id: string): TopUp {
  const payment = world.topUps.find((one) => one.id === id);
  if (payment === undefined) throw notFound();
  return payment;
}

function cardOf(id: string): SavedCard {
  const card = world.cards.find((one) => one.id === id);
  if (card === undefined) throw notFound();
  return card;
}

export const billing = [
  on("get", "/api/v1/wallet", () => world.wallet),
  on("get", "/api/v1/wallet/entries", ({ query }) => {
    const [kind, search] = [query.get("kind"), query.get("search")?.toLowerCase() ?? ""];
    return pageOf(world.entries.filter((one) => (kind === null || one.kind === kind) && one.description.toLowerCase().includes(search)), query);
  }),
  on("get", "/api/v1/usage/by-day", () => world.usageByDay),
  on("get", "/api/v1/usage", ({ query }) => pageOf(world.usage, query)),
  on("get", "/api/v1/usage/{charge_id}", ({ path }) => {
    const charge = world.usage.find((one) => one.id === String(path.charge_id));
    if (charge === undefined) throw notFound();
    return explainedCharge(charge);
  }),

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
  on("post", "/api/v1/top-ups/{top_up_id}/confirm", ({ path }) => {
    Object.assign(found(path.top_up_id), { state: "succeeded", failure: null, actions: [] } satisfies Partial<TopUp>);
    return { url: `/billing?top_up=${path.top_up_id}` };
  }),
  on("get", "/api/v1/payment-methods", ({ query }) => ({ ...pageOf(world.cards, query), actions: may("add") })),
  on("post", "/api/v1/payment-methods", () => {
    const id = freshId("su", world.cardSetups);
    const begun = like(cardSetup, { id, checkout_url: `/billing?view=cards&card_setup=${id}` });
    world.cardSetups = [begun, ...world.cardSetups];
    return begun;
  }),
  // Stands for the page on which a card is saved too: whoever asks has been there.
  on("get", "/api/v1/payment-method-setups/{card_setup_id}", ({ path }) => {
    const setup = world.cardSetups.find(({ id }) => id === path.card_setup_id);
    if (setup === undefined) throw notFound();
    if (setup.state === "pending") {
      Object.assign(setup, { state: "succeeded", checkout_url: null } satisfies Partial<CardSetup>);
      world.cards = [like(savedCard, { id: freshId("card", world.cards), is_default: world.cards.length === 0 }), ...world.cards];
    }
    return setup;
  }),
  on("post", "/api/v1/payment-methods/{card_id}/default", ({ path }) => {
    const chosen = cardOf(path.card_id);
    world.cards = world.cards.map((one) => ({ ...one, is_default: one.id === chosen.id }));
    return cardOf(chosen.id);
  }),
  on("delete", "/api/v1/payment-methods/{card_id}", ({ path }) => {
    const gone = cardOf(path.card_id);
    world.cards = world.cards.filter((one) => one !== gone);
  }),
  on("get", "/api/v1/spending-limits", ({ query }) => ({ ...pageOf(world.spendingLimits, query), actions: may("set") })),
  on("patch", "/api/v1/spending-limits/{limit_id}", ({ path: { limit_id: id }, body: { amount, currency } }) => {
    const of = id === "day" || id === "month" ? id : "allocation";
    const limit = like(spendingLimit, {
      id,
      scope: of,
      subject_id: of === "allocation" ? id : null,
      amount: { amount, currency },
      left: { amount, currency },
      ...(of === "allocation" ? { period_started_at: null, period_ends_at: null } : {}),
    });
    world.spendingLimits = [...world.spendingLimits.filter((one) => one.id !== id), limit];
    return limit;
  }),
  on("delete", "/api/v1/spending-limits/{limit_id}", ({ path, query }) => {
    const stays = ({ id, amount }: SpendingLimit) => id !== path.limit_id || amount.currency !== query.get("currency");
    if (world.spendingLimits.every(stays)) throw notFound();
    world.spendingLimits = world.spendingLimits.filter(stays);
  }),
  on("get", "/api/v1/auto-top-up", () => world.autoTopUp),
  on("patch", "/api/v1/auto-top-up", ({ body: { currency, threshold, amount, monthly_cap } }) => {
    const money = (given: string) => ({ amount: given, currency });
    world.autoTopUp = like(autoTopUp, {
      enabled: true,
      threshold: money(threshold),
      amount: money(amount),
      monthly_cap: money(monthly_cap),
      charged_this_month: money("0.00"),
      standing: "enough",
      actions: may("set", "turn_off"),
    });
    return world.autoTopUp;
  }),
  on("delete", "/api/v1/auto-top-up", () => {
    world.autoTopUp = like(world.autoTopUp, { enabled: false, standing: "off" });
    return world.autoTopUp;
  }),
];
