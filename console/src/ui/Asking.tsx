import { type FormEvent, type ReactNode, useId } from "react";
import { useSearchParams } from "react-router";
import { t } from "~/messages";
import { CURSOR } from "~/places";
import css from "./Asking.module.css";
import { Button } from "./Button";
import text from "./text.module.css";

type AskedFor = { name: string; label: string; type: "text" | "month" | "datetime-local"; required?: boolean; maxLength?: number };

const two = (part: number) => String(part).padStart(2, "0");

/** A moment of the address as a browser's field wants it, in the reader's own zone. */
function local(at: string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return "";
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** What a report is asked for with, kept in the address; what is left out is not asked. */
export function Asking({ label, fields, children }: { label: string; fields: AskedFor[]; children?: ReactNode }) {
  const [search, setSearch] = useSearchParams();
  const id = useId();
  const show = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const changed = new URLSearchParams(search);
    changed.delete(CURSOR);
    for (const { name, type } of fields) {
      const value = String(given.get(name) ?? "").trim();
      if (value === "") changed.delete(name);
      else changed.set(name, type === "datetime-local" ? new Date(value).toISOString() : value);
    }
    setSearch(changed);
  };
  return (
    <form className={css.asking} aria-label={label} onSubmit={show} key={search.toString()}>
      {children}
      {fields.map(({ name, label: shown, type, required, maxLength }) => (
        <span key={name} className={css.field}>
          <label className={text.label} htmlFor={`${id}-${name}`}>
            {shown}
          </label>
          <input
            id={`${id}-${name}`}
            name={name}
            type={type}
            required={required}
            maxLength={maxLength}
            pattern={type === "month" ? "[0-9]{4}-(0[1-9]|1[0-2])" : undefined}
            defaultValue={type === "datetime-local" ? local(search.get(name) ?? "") : (search.get(name) ?? "")}
          />
        </span>
      ))}
      <Button type="submit">{t.shell.show}</Button>
    </form>
  );
}
