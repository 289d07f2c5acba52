/** What a customer reads about money that goes back to a card. */
export const refunds = {
  state: {
    request: { requested: "Asked for", granted: "Granted", declined: "Declined", withdrawn: "Withdrawn" },
    refund: { pending: "On its way", succeeded: "Sent back", failed: "Failed", canceled: "Canceled" },
  },
  payments: {
    title: "Payments",
    lead: "What is unspent of a payment can go back to its card. An operator decides on each request.",
    column: { payment: "Payment", paid: "Paid", spent: "Spent", refunded: "Sent back", refundable: "Can go back", act: "Actions" },
    empty: { title: "No payment yet", detail: "What you pay by card shows up here, with what of it can go back." },
    ask: "Ask for a refund",
    askLabel: (id: string) => `Ask for a refund of ${id}`,
  },
  form: {
    title: "Ask for a refund",
    amount: (currency: string) => `Amount, in ${currency}`,
    invalid: "Enter an amount such as 20 or 20.50.",
    most: (amount: string) => `Up to ${amount} of this payment can go back.`,
    reason: "Why",
    reasonHelp: "An operator reads this and decides.",
    reasonInvalid: "Say why, in up to 500 characters.",
    consequences: ["No money moves before an operator has decided.", "If it is granted, it goes to the card that paid, and leaves your balance at once."],
    submit: "Ask for it",
  },
  requests: {
    title: "What you asked for",
    column: { at: "When", amount: "Amount", state: "State", reason: "Why", act: "Actions" },
    empty: "You have asked for no refund.",
    answer: (decision: string) => `Answer: ${decision}`,
    withdraw: "Withdraw",
    withdrawLabel: (amount: string) => `Withdraw the request for ${amount}`,
    withdrawTitle: (amount: string) => `Withdraw the request for ${amount}?`,
    withdrawConsequences: ["Nobody decides on it any more, and no money moves.", "You can ask again."],
  },
  sent: {
    title: "Money sent back",
    column: { at: "When", payment: "Payment", amount: "Amount", state: "State", detail: "Detail" },
    empty: "Nothing has gone back to a card.",
    detail: {
      pending: "It has left your balance, and the card processor is asked. A bank can take days to show it.",
      succeeded: "It went to the card that paid.",
      failed: "The card did not take it. The money is back in your balance.",
      canceled: "It was called off. The money is back in your balance.",
    } as Record<string, string>,
    owed: (amount: string) => `${amount} of it was spent already, and is owed.`,
  },
};
