import { useState } from "react";
import { Link } from "react-router";
import { clearSpendingLimit } from "~/api/commands";
import { useSpendingLimits, useWallet } from "~/api/reads";
import type { SpendingLimit } from "~/api/types";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { to } from "~/paths";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Amount, Moment, PartBar } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ListPanel } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { LimitForm } from "./LimitForm";
import { limitStanding } from "./standing";

const words = t.billing.limits;

const named = ({ scope, subject_id: id, subject_name: name }: SpendingLimit) => words.of[scope](name ?? id ?? "");

/** What it holds back, and what lets that go on. */
function Standing({ limit }: { limit: SpendingLimit }) {
  const { reached, suspended, scope, period_ends_at: ends } = limit;
  return (
    <span>
      <Status look={limitStanding(reached)} />
      {suspended.length === 0 ? null : (
        <span className={text.cellSub}>
          {words.suspended}{" "}
          {suspended.map(({ id, name }, place) => (
            <span key={id}>
              {place === 0 ? null : ", "}
              <Link to={to.allocation(id)}>{name}</Link>
            </span>
          ))}
        </span>
      )}
      {reached ? (
        <span className={text.cellSub}>
          {(suspended.length === 0 ? words.startsAgain : words.resumes)[scope]}
          {ends === null ? null : (
            <>
              {" "}
              <Moment at={ends} />
            </>
          )}
        </span>
      ) : null}
    </span>
  );
}

function columns(onSet: (one: SpendingLimit) => void, onClear: (one: SpendingLimit) => void): Column<SpendingLimit>[] {
  return [
    {
      key: "of",
      header: words.column.of,
      plain: true,
      cell: (one) => (
        <span>
          <span className={text.cellMain}>{one.subject_id === null ? named(one) : <Link to={to.allocation(one.subject_id)}>{named(one)}</Link>}</span>
          <PartBar part={one.spent} of={one.amount} tone={one.reached ? "bad" : undefined} />
          {one.period_ends_at === null ? (
            <span className={text.cellSub}>{words.noPeriod}</span>
          ) : (
            <span className={text.cellSub}>
              {words.anew} <Moment at={one.period_ends_at} />
            </span>
          )}
        </span>
      ),
    },
    { key: "state", header: words.column.state, cell: (one) => <Standing limit={one} /> },
    { key: "spent", header: words.column.spent, numeric: true, cell: ({ spent }) => <Amount money={spent} /> },
    { key: "left", header: words.column.left, numeric: true, cell: ({ left }) => <Amount money={left} /> },
    { key: "amount", header: words.column.amount, numeric: true, cell: ({ amount }) => <Amount money={amount} /> },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (one) => (
        <span className={layout.cluster} data-tight>
          <ActionButton action={actionNamed(one.actions, "set")} size="small" aria-label={words.changeLabel(named(one))} onPress={() => onSet(one)}>
            {words.change}
          </ActionButton>
          <ActionButton action={actionNamed(one.actions, "clear")} hideReason size="small" aria-label={words.clearLabel(named(one))} onPress={() => onClear(one)}>
            {words.clear}
          </ActionButton>
        </span>
      ),
    },
  ];
}

/** What the organization lets itself spend, how far that is spent, what was suspended for it and how that goes on. */
export function SpendingLimits() {
  const query = useSpendingLimits(useCursor());
  const currency = useWallet().data?.currency;
  const [setting, setSetting] = useState<SpendingLimit | "new" | null>(null);
  const [clearing, setClearing] = useState<SpendingLimit | null>(null);
  const set = (
    <ActionButton action={actionNamed(query.data?.actions ?? [], "set")} size="small" variant="primary" isDisabled={currency === undefined} onPress={() => setSetting("new")}>
      {words.set}
    </ActionButton>
  );
  return (
    <>
      <ListPanel
        title={words.title}
        caption={words.title}
        lead={words.lead}
        query={query}
        columns={columns(setSetting, setClearing)}
        rowKey={({ id, amount }) => `${id} ${amount.currency}`}
        empty={words.empty}
        action={set}
      />
      <p className={text.help}>
        {words.alerts} <Link to={to.settings("notices")}>{t.notices.choose}</Link>
      </p>
      {setting === null || currency === undefined ? null : (
        <Dialog title={setting === "new" ? words.form.title : words.form.titleOf(named(setting))} onClose={() => setSetting(null)}>
          <LimitForm limit={setting === "new" ? null : setting} currency={currency} onClose={() => setSetting(null)} />
        </Dialog>
      )}
      {clearing === null ? null : (
        <Confirm
          title={words.clearTitle(named(clearing), formatMoney(clearing.amount))}
          consequences={words.clearConsequences(clearing.suspended.map(({ name }) => name))}
          confirm={words.clear}
          command={clearSpendingLimit}
          input={{ id: clearing.id, currency: clearing.amount.currency }}
          onClose={() => setClearing(null)}
        />
      )}
    </>
  );
}
