import { useId } from "react";
import { useSearchParams } from "react-router";
import { CURSOR } from "~/places";
import { Select } from "./controls";
import layout from "./layout.module.css";
import text from "./text.module.css";

type FilterProps = { name: string; label: string; value: string; options: [value: string, label: string][]; cursor?: string };

/** One of some values, in the address; another value begins the list anew, whose cursor it is. */
export function Filter({ name, label, value, options, cursor = CURSOR }: FilterProps) {
  const [search, setSearch] = useSearchParams();
  const id = useId();
  const choose = (chosen: string) => {
    const changed = new URLSearchParams(search);
    changed.delete(cursor);
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
