import type { DeferredRevenue, TrialBalance } from "~/api/types";
import { isNothing } from "~/format/money";
import { t } from "~/messages";
import type { Column } from "~/ui/DataTable";
import { ExactAmount } from "~/ui/figures";

type TrialLine = TrialBalance["lines"][number];
type UnspentLine = DeferredRevenue["lines"][number];

const { trialColumn } = t.money.reports;
const { column } = t.money.overview;

const side = (name: "debit" | "credit"): Column<TrialLine> => ({
  key: name,
  header: trialColumn[name],
  numeric: true,
  cell: (line) => (isNothing(line[name]) ? t.units.none : <ExactAmount money={line[name]} />),
});

export const trialColumns: Column<TrialLine>[] = [
  { key: "account", header: trialColumn.account, plain: true, cell: ({ account }) => t.money.account(account) },
  side("debit"),
  side("credit"),
];

export const trialKey = ({ account, debit: { currency } }: TrialLine) => `${account} ${currency}`;

const amount = (name: "paid" | "promo" | "owed"): Column<UnspentLine> => ({ key: name, header: column[name], numeric: true, cell: (line) => <ExactAmount money={line[name]} /> });

export const unspentColumns: Column<UnspentLine>[] = [
  amount("paid"),
  amount("promo"),
  amount("owed"),
  { key: "organizations", header: column.organizations, numeric: true, cell: ({ organizations }) => String(organizations) },
];

export const unspentKey = ({ paid: { currency } }: UnspentLine) => currency;
