/** What an act means for what runs, for money and for capacity; `node` is its name, or its id. */
type Meaning = { name: string; consequences: (node: string, residents: string[], hours: string) => string[] };

type MoneyMeaning = { name: string; consequences: (amount: string, parameters: Record<string, unknown>) => string[] };

export const approvals = {
  title: "Approvals",
  table: "Acts that need a second person",
  column: { state: "State", act: "What", asked: "Asked by", reason: "Why", next: "What comes next", decide: "Decide" },
  state: { requested: "Waiting", approved: "Approved", rejected: "Refused", used: "Done", expired: "Expired" },
  filter: "State",
  all: "All states",
  empty: { title: "Nothing to approve", detail: "Acts that cannot be undone need a second person. Who wants one asks for it where it is done, and it then waits here." },
  next: {
    requested: (asker: string) => `Somebody else than ${asker} has to decide. Nothing is done before.`,
    approved: (asker: string, decider: string) => `${decider} approved it. ${asker} does the same again, and it is done.`,
    rejected: (asker: string, decider: string) => `${decider} refused it, and nothing was done. ${asker} can ask for it again.`,
    used: (asker: string, decider: string) => `${decider} approved it, and ${asker} did it.`,
    expired: (asker: string) => `Nobody did it in time, and nothing was done. ${asker} can ask for it again.`,
  },
  expires: "Expires",
  unknownState: "Nothing is known of what comes next.",
  somebody: "Somebody",
  subject: (id: string) => `Node ${id}`,
  parameter: (name: string, value: string) => `${name.replaceAll("_", " ")}: ${value}`,
  approve: "Approve",
  refuse: "Refuse",
  approveLabel: (what: string) => `Approve: ${what}`,
  refuseLabel: (what: string) => `Refuse: ${what}`,
  approveTitle: (what: string) => `Approve: ${what}?`,
  refuseTitle: (what: string) => `Refuse: ${what}?`,
  refuseConsequences: ["Nothing is done, and what is there goes on as before.", "The same can be asked for again."],
  asked: (who: string, reason: string) => `${who} asks for it: ${reason}`,
  once: (who: string) => `${who} can then do it once, within the time that is left. You do nothing more.`,
  reason: "Why",
  reasonHelp: "Kept with the approval, for whoever asks later.",
  reasonInvalid: "Say why, in up to 500 characters.",
  reading: "What lives on the node is being looked up.",
  acts: {
    "node.force_release": {
      name: "Give up a node",
      consequences: (node: string, residents: string[], hours: string) => [
        residents.length === 0
          ? `Nothing lives on ${node}.`
          : `On ${node} these end, with all their data, billed to what was last seen: ${residents.join(", ")}.`,
        hours === "0" ? "Their customers are credited nothing." : `Their customers are credited ${hours} h at their own rate.`,
        `${node} is retired, and none of its capacity is given out again. This cannot be undone.`,
      ],
    },
  } as Record<string, Meaning>,
  /** Acts on money: what they mean for it. */
  moneyActs: {
    "refund.create": {
      name: "Send money back to a card",
      consequences: (amount: string) => [`${amount} leaves the customer's balance, and the card processor is asked to send it to the card that paid.`],
    },
    "adjustment.create": {
      name: "Adjust a balance",
      consequences: (amount: string) => [`${amount} is given or taken within the books. No money moves at the card processor.`],
    },
    "credit.grant": {
      name: "Give a customer credit",
      consequences: (amount: string) => [`${amount} of promotional credit is in the customer's wallet at once. It is spent before their money, and never paid out.`],
    },
    "promo_code.create": {
      name: "Make a promo code",
      consequences: (amount: string, { most_uses: uses }) => [`Whoever knows the code takes ${amount} of credit, each organization once, ${JSON.stringify(uses)} at most.`],
    },
  } as Record<string, MoneyMeaning>,
  ask: {
    see: "Open approvals",
    credit: (hours: string) => `Asked for with ${hours} h of credit; another credit is another act, which needs its own approval.`,
  },
  open: {
    requested: (asker: string) => `${asker} asks to give this node up`,
    approved: (asker: string) => `${asker} may give this node up now`,
  } as Record<string, (asker: string) => string>,
};
