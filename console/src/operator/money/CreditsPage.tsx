import { useState } from "react";
import { useSearchParams } from "react-router";
import { useCreditBudget, useGrants, usePromoCodes } from "~/api/books";
import { endPromoCode } from "~/api/commands";
import type { CreditBudget, Grant, PromoCode } from "~/api/types";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { promoCodeStanding } from "~/moneyStates";
import { GRANTS_CURSOR, placeOf } from "~/places";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Figure, Figures } from "~/ui/Figure";
import { Amount, Moment, PartBar } from "~/ui/figures";
import { ListPanel } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { CodeForm, GrantForm } from "./CreditForms";
import { Customer } from "./Customer";
import { CustomerFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";

const words = t.money.credits;

function Budget({ whole, given, left }: CreditBudget) {
  return (
    <>
      <Figures>
        <Figure name={words.budget.left} large>
          <Amount money={left} />
        </Figure>
        <Figure name={words.budget.given}>
          <Amount money={given} />
        </Figure>
        <Figure name={words.budget.whole}>
          <Amount money={whole} />
        </Figure>
      </Figures>
      <PartBar part={given} of={whole} />
      <p className={text.help}>{words.budget.help}</p>
    </>
  );
}

const lasts = (days: number | null) => (days === null ? words.never : words.days(days));

function codeColumns(onEnd: (one: PromoCode) => void): Column<PromoCode>[] {
  return [
    {
      key: "code",
      header: words.codes.column.code,
      plain: true,
      cell: ({ code, made_by: who, created_at: at, reason }) => (
        <span className={text.break}>
          <code className={text.cellMain}>{code}</code>
          <span className={text.cellSub}>{reason}</span>
          <span className={text.cellSub}>
            {words.by(who)} <Moment at={at} />
          </span>
        </span>
      ),
    },
    {
      key: "state",
      header: words.codes.column.state,
      cell: (one) => (
        <span>
          <Status look={promoCodeStanding(one)} />
          <span className={text.cellSub}>
            {one.ended_at === null ? words.codes.until : words.codes.ended} <Moment at={one.ended_at ?? one.expires_at} />
          </span>
        </span>
      ),
    },
    { key: "uses", header: words.codes.column.uses, numeric: true, cell: ({ uses, most_uses: most }) => words.codes.uses(uses, most) },
    { key: "lasts", header: words.codes.column.lasts, cell: ({ valid_days: days }) => lasts(days) },
    { key: "amount", header: words.codes.column.amount, numeric: true, cell: ({ amount }) => <Amount money={amount} /> },
    {
      key: "act",
      header: words.codes.column.act,
      narrow: true,
      cell: (one) =>
        one.is_over ? (
          t.units.none
        ) : (
          <ActionButton action={actionNamed(one.actions, "end")} hideReason size="small" aria-label={words.codes.endLabel(one.code)} onPress={() => onEnd(one)}>
            {words.codes.end}
          </ActionButton>
        ),
    },
  ];
}

const grantColumns: Column<Grant>[] = [
  {
    key: "grant",
    header: words.grants.column.reason,
    plain: true,
    cell: ({ id, reason, granted_by: who, created_at: at }) => (
      <span className={text.break}>
        <span className={text.cellMain}>{reason}</span>
        <span className={text.cellSub}>
          {words.by(who)} <Moment at={at} /> · <code>{id}</code>
        </span>
      </span>
    ),
  },
  { key: "customer", header: words.grants.column.customer, cell: ({ organization_id: id }) => <Customer id={id} /> },
  { key: "until", header: words.grants.column.until, cell: ({ expires_at: at }) => (at === null ? words.never : <Moment at={at} />) },
  { key: "amount", header: words.grants.column.amount, numeric: true, cell: ({ amount }) => <Amount money={amount} /> },
];

/** What operators may give this month, the codes by which customers take it, and what was given to whom and why. */
export function CreditsPage() {
  const { organization, codes, grants } = placeOf.credits(useSearchParams()[0]);
  const budget = useCreditBudget();
  const [made, given] = [usePromoCodes(codes), useGrants({ organization, cursor: grants })];
  const [asking, setAsking] = useState<"code" | "grant" | null>(null);
  const [ending, setEnding] = useState<PromoCode | null>(null);
  const done = () => setAsking(null);
  return (
    <MoneyPage view="credits" lead={words.lead} filter={<CustomerFilter value={organization} all={t.money.filter.all} cursor={GRANTS_CURSOR} />}>
      <Panel title={words.budget.title} aside={<Freshness query={budget} />}>
        <QueryView query={budget}>{(known) => <Budget {...known} />}</QueryView>
      </Panel>
      <ListPanel
        title={words.codes.title}
        caption={words.codes.title}
        query={made}
        columns={codeColumns(setEnding)}
        rowKey={({ id }) => id}
        empty={words.codes.empty}
        action={
          <ActionButton action={actionNamed(made.data?.actions ?? [], "create")} size="small" variant="primary" onPress={() => setAsking("code")}>
            {words.codes.make}
          </ActionButton>
        }
      />
      <ListPanel
        title={words.grants.title}
        caption={words.grants.title}
        query={given}
        cursor={GRANTS_CURSOR}
        columns={grantColumns}
        rowKey={({ id }) => id}
        empty={organization === "" ? words.grants.empty : t.money.filter.nothing}
        action={
          <ActionButton action={actionNamed(given.data?.actions ?? [], "grant")} size="small" variant="primary" onPress={() => setAsking("grant")}>
            {words.grants.give}
          </ActionButton>
        }
      />
      {asking === null ? null : (
        <Dialog title={asking === "code" ? words.form.makeTitle : words.form.giveTitle} onClose={done}>
          {asking === "code" ? <CodeForm budget={budget.data} onClose={done} /> : <GrantForm budget={budget.data} organization={organization} onClose={done} />}
        </Dialog>
      )}
      {ending === null ? null : (
        <Confirm
          title={words.codes.endTitle(ending.code)}
          consequences={words.codes.endConsequences(formatMoney(ending.amount), ending.uses)}
          confirm={words.codes.end}
          command={endPromoCode}
          input={ending.id}
          onClose={() => setEnding(null)}
        />
      )}
    </MoneyPage>
  );
}
