/** An account with something of everything, in each of its states: what `npm run dev:mock` shows. */
import { allocationsOf } from "./busy/allocations";
import { billingOf } from "./busy/billing";
import { catalogOf } from "./busy/catalog";
import { fleetOf } from "./busy/fleet";
import { moneyOf } from "./busy/money";
import { operatorsOf } from "./busy/operators";
import { apiToken, me, session, sshKey } from "./fixtures/account";
import { notice } from "./fixtures/notices";
import { like } from "./fixtures/common";
import type { World } from "./world";

const PERMISSIONS = [
  "account:read",
  "allocation:connect",
  "allocation:launch",
  "allocation:manage",
  "allocation:read",
  "ssh_key:manage",
  "wallet:read",
  "wallet:top_up",
];

const CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";

/** The busy account as it is at a moment; what is begun in it goes on by itself. */
export function busy(now: number): Partial<World> {
  const ago = (seconds: number) => new Date(now - 1000 * seconds).toISOString();
  return {
    me: like(me, { platform_roles: ["admin"], permissions: PERMISSIONS }),
    notices: [
      like(notice, { created_at: ago(900) }),
      like(notice, {
        id: "ntc_2",
        kind: "top_up.received",
        title: "Receipt: 20.00 USD paid in",
        sentences: ["20.00 USD were paid with a card and are in the wallet of Engines.", "The payment is tu_2. Its page has the receipt for your bookkeeping."],
        link: "/billing?top_up=tu_2",
        link_says: "See the payment",
        created_at: ago(7_200),
        read_at: ago(7_000),
        mailed_at: ago(7_190),
      }),
    ],
    sessions: [
      like(session, { id: "ses_2", current: true, user_agent: CHROME, created_at: ago(7_200), last_seen_at: ago(3) }),
      like(session, { created_at: ago(9_000), last_seen_at: ago(600) }),
    ],
    sshKeys: [like(sshKey, { created_at: ago(80_000) })],
    apiTokens: [like(apiToken, { created_at: ago(80_000) })],
    ...billingOf(ago),
    ...catalogOf(ago),
    ...allocationsOf(ago),
    ...fleetOf(ago),
    ...operatorsOf(ago),
    ...moneyOf(ago),
    stepMs: 1_200,
  };
}
