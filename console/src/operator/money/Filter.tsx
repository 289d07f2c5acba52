import { useCustomers } from "~/api/books";
import { t } from "~/messages";
import { Filter } from "~/ui/Filter";

/** The states of a record, and all of them. */
export function StateFilter({ states, value }: { states: Record<string, { label: string }>; value: string | null }) {
  const options = Object.entries(states).map(([name, { label }]): [string, string] => [name, label]);
  return <Filter name="state" label={t.money.filter.state} value={value ?? ""} options={[["", t.money.filter.all], ...options]} />;
}

/** Whose money is looked at; one that is in the address and not among the newest goes by its id. */
export function CustomerFilter({ value, all = t.money.filter.choose, cursor }: { value: string; all?: string; cursor?: string }) {
  const known = useCustomers().data?.items ?? [];
  const options = known.map(({ id, name, owner_email: email }): [string, string] => [id, `${name} (${email})`]);
  const other = value !== "" && !known.some(({ id }) => id === value) ? [[value, value] as [string, string]] : [];
  return <Filter name="organization" label={t.money.filter.customer} value={value} options={[["", all], ...other, ...options]} cursor={cursor} />;
}
