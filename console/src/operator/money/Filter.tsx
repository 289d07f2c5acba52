import { useId } from "react";
import { useSearchParams } from "react-router";
import { useCustomers } from "~/api/books";
import { t } from "~/messages";
import { CURSOR } from "~/places";
import { Select } from "~/ui/controls";
import layout from "~/ui/layout.module.css";
import text from "~/ui/text.module.css";

type FilterProps = { name: string; label: string; value: string; options: [value: string, label: string][] };

/** One of some values, in the address; another value begins the list anew. */
export function Filter({ name, label, value, options }: FilterProps) {
  const [search, setSearch] = useSearchParams();
  const id = useId();
  const choose = (chosen: string) => {
    const changed = new URLSearchParams(search);
    changed.delete(CURSOR);
    if (chosen === "") changed.delete(name);
    else changed.set(name, chosen);
    setSearch(changed);
  };
  return (
    <span className={layout.cluster}>
      <label className={text.label} htmlFor={id}>
        {label}
      </label>
      <Select id={id} value={value} onChange={({ target }) => choose(target.value)}>
        {options.map(([one, shown]) => (
          <option key={one} value={one}>
            {shown}
          </option>
        ))}
      </Select>
    </span>
  );
}

/** The states of a record, and all of them. */
export function StateFilter({ states, value }: { states: Record<string, { label: string }>; value: string | null }) {
  const options = Object.entries(states).map(([name, { label }]): [string, string] => [name, label]);
  return <Filter name="state" label={t.money.filter.state} value={value ?? ""} options={[["", t.money.filter.all], ...options]} />;
}

/** Whose money is looked at; one that is in the address and not among the newest goes by its id. */
export function CustomerFilter({ value }: { value: string }) {
  const known = useCustomers().data?.items ?? [];
  const options = known.map(({ id, name, owner_email: email }): [string, string] => [id, `${name} (${email})`]);
  const other = value !== "" && !known.some(({ id }) => id === value) ? [[value, value] as [string, string]] : [];
  return <Filter name="organization" label={t.money.filter.customer} value={value} options={[["", t.money.filter.choose], ...other, ...options]} />;
}
