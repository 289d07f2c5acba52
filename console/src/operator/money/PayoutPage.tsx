import type { ReactNode } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import { useFindingsOf, usePayout, usePayoutTransactions } from "~/api/books";
import type { Payout, PayoutTransaction } from "~/api/types";
import { t } from "~/messages";
import { payoutState, severityOf } from "~/moneyStates";
import { to } from "~/paths";
import { placeOf } from "~/places";
import type { Column } from "~/ui/DataTable";
import { Facts } from "~/ui/Facts";
import { ExactAmount, Moment } from "~/ui/figures";
import { ListPanel } from "~/ui/List";
import { Notice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { FindingMoney, FindingWhat } from "./finding";

const words = t.money.payouts;
const found = t.money.findings.column;

const amount = (name: "amount" | "fee" | "net"): Column<PayoutTransaction> => ({
  key: name,
  header: words.transactions.column[name],
  numeric: true,
  cell: (one) => <ExactAmount money={one[name]} />,
});

const columns: Column<PayoutTransaction>[] = [
  {
    key: "id",
    header: words.transactions.column.id,
    plain: true,
    cell: ({ id, source, created_at: at, whose }) => (
      <span className={text.break}>
        <code>{id}</code>
        <span className={text.cellSub}>
          {source === null ? null : <code>{source}</code>} <Moment at={at} />
        </span>
        {whose === "ours" ? null : <span className={text.cellSub}>{words.transactions.whose[whose]}</span>}
      </span>
    ),
  },
  { key: "type", header: words.transactions.column.type, cell: ({ type }) => t.money.account(type) },
  amount("amount"),
  amount("fee"),
  amount("net"),
];

function factsOf(one: Payout): [string, ReactNode][] {
  const { left, made_of: made, processor_id: there, automatic, arrives_on: due, failure } = one;
  const known = (money: Payout["left"], key: string) => (money === null ? words.facts.unknown : <ExactAmount key={key} money={money} />);
  return [
    [words.facts.amount, <ExactAmount key="amount" money={one.amount} />],
    [words.facts.left, known(left, "left")],
    [words.facts.made, known(made, "made")],
    [words.facts.how, automatic ? words.facts.automatic : words.facts.byHand],
    [words.facts.due, <Moment key="due" at={due} />],
    [words.facts.there, <code key="there">{there}</code>],
    ...(failure === null ? [] : [[words.facts.failure, failure] as [string, ReactNode]]),
  ];
}

/** One payout: what left for it and what it is made of, what became of it, and what was found about it. */
export function PayoutPage() {
  const { id = "" } = useParams();
  const { cursor } = placeOf.list(useSearchParams()[0]);
  const query = usePayout(id);
  return (
    <Page name={words.title(id)} title={words.title(id)} crumb={<Link to={to.operator.money("payouts")}>{words.back}</Link>} actions={<Freshness query={query} />}>
      <QueryView query={query}>
        {(one) => (
          <>
            {one.off_by === null ? null : (
              <Notice tone="bad" title={words.off} role="status">
                <p>
                  <ExactAmount money={one.off_by} signed /> {words.offDetail}
                </p>
              </Notice>
            )}
            <Panel title={words.standing}>
              <Status look={payoutState(one.state)} />
              <Facts rows={factsOf(one)} />
              <ul className={text.help}>
                {one.history.map(({ at, next, reason }) => (
                  <li key={at}>
                    {payoutState(next).label}, <Moment at={at} />: {reason}
                  </li>
                ))}
              </ul>
            </Panel>
          </>
        )}
      </QueryView>
      <ListPanel
        title={words.findings}
        query={useFindingsOf("payout", id)}
        caption={words.findings}
        cursor="found"
        columns={[
          { key: "severity", header: found.severity, narrow: true, cell: ({ severity }) => <Status look={severityOf(severity)} /> },
          { key: "what", header: found.what, plain: true, cell: (one) => <FindingWhat finding={one} /> },
          { key: "money", header: found.money, cell: (one) => <FindingMoney finding={one} /> },
          { key: "since", header: found.since, cell: ({ since }) => <Moment at={since} /> },
        ]}
        rowKey={({ id: finding }) => finding}
        empty={words.findingsNone}
      />
      <ListPanel
        title={words.transactions.title}
        query={usePayoutTransactions(id, cursor)}
        caption={words.transactions.title}
        columns={columns}
        rowKey={({ id: transaction }) => transaction}
        empty={words.transactions.empty}
      />
    </Page>
  );
}
