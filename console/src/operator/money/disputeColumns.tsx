import type { Dispute } from "~/api/types";
import { formatMoney, isNothing } from "~/format/money";
import { t } from "~/messages";
import { disputeState } from "~/moneyStates";
import type { Column } from "~/ui/DataTable";
import { Amount, Moment } from "~/ui/figures";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { Customer } from "./Customer";

const words = t.money.disputes;
const evidence = words.evidence;

/** What a dispute did to money, a line each. */
function Done({ dispute: { taken, charged, owed } }: { dispute: Dispute }) {
  const lines = [isNothing(taken) ? null : words.taken(formatMoney(taken)), isNothing(charged) ? null : words.charged(formatMoney(charged)), isNothing(owed) ? null : words.owed(formatMoney(owed))];
  const said = lines.filter((line) => line !== null);
  return <span>{said.length === 0 ? words.none : said.map((line) => <span key={line} className={text.cellSub}>{line}</span>)}</span>;
}

/** What the bank was answered, if anything was. */
function Answered({ answer }: { answer: Dispute["answer"] }) {
  if (answer === null) return null;
  const { answered_by_name: by, sent_at: sent, refusal } = answer;
  const ended = sent === null ? evidence.onItsWay : evidence.sent;
  return (
    <span className={text.cellSub}>
      {evidence.answered(by)}. {refusal === null ? ended : evidence.refused(refusal)}
    </span>
  );
}

export const disputeColumns: Column<Dispute>[] = [
  {
    key: "dispute",
    header: words.column.dispute,
    plain: true,
    cell: ({ id, reason, disputed_at: at, top_up_id: payment }) => (
      <span>
        <span className={text.cellMain}>{t.money.account(reason)}</span>
        <span className={text.cellSub}>
          <code>{id}</code> · <code>{payment}</code> · <Moment at={at} />
        </span>
      </span>
    ),
  },
  { key: "customer", header: words.column.customer, cell: ({ organization_id: id }) => <Customer id={id} /> },
  {
    key: "state",
    header: words.column.state,
    narrow: true,
    cell: ({ state, decided_at: at, answer }) => (
      <span>
        <Status look={disputeState(state)} />
        {at === null ? null : (
          <span className={text.cellSub}>
            {words.decided} <Moment at={at} />
          </span>
        )}
        <Answered answer={answer} />
      </span>
    ),
  },
  { key: "due", header: words.column.due, cell: ({ state, due_by: by }) => (by !== null && disputeState(state).awaitsAnswer ? <Moment at={by} /> : t.units.none) },
  { key: "money", header: words.column.money, cell: (one) => <Done dispute={one} /> },
  { key: "amount", header: words.column.amount, numeric: true, narrow: true, cell: ({ amount }) => <Amount money={amount} /> },
];
