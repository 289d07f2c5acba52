/** What operators read about what the card processor sends to the bank. */
export const payouts = {
  lead: "What the card processor sends to the bank.",
  table: "Payouts, newest first",
  column: { payout: "Payout", state: "State", off: "Off by", amount: "Amount" },
  empty: { title: "No payout yet", detail: "Money that the processor sends to the bank shows up here, with what it is made of." },
  due: "due",
  since: "since",
  failure: (code: string) => `The bank says ${code.replaceAll("_", " ")}.`,
  title: (id: string) => `Payout ${id}`,
  back: "Payouts",
  standing: "What became of it",
  off: "It does not add up",
  offDetail: "lie between the payout and what left for it, or what it is made of.",
  facts: { amount: "Amount", left: "Left the balance", made: "Made of", how: "Asked for", automatic: "by the processor's schedule", byHand: "by hand", due: "Due", there: "At the processor", failure: "Failure", unknown: "Not known" },
  findings: "What was found about it",
  findingsNone: "Nothing was found about it.",
  transactions: {
    title: "What it is made of",
    column: { id: "Transaction", type: "Type", amount: "Amount", fee: "Fee", net: "Adds" },
    empty: "It is not known what it is made of: the processor says that of its own payouts, once they are on their way.",
    whose: { suspense: "Not explained: in suspense", elsewhere: "Of another installation" },
  },
};
