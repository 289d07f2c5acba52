import type { UseFormRegisterReturn } from "react-hook-form";
import css from "./Choices.module.css";
import layout from "./layout.module.css";
import text from "./text.module.css";

type ChoicesProps = { legend: string; choices: { value: string; label: string }[]; register: UseFormRegisterReturn };

/** One of a few, side by side. */
export function Choices({ legend, choices, register }: ChoicesProps) {
  return (
    <fieldset className={layout.stack} data-gap="8">
      <legend className={text.label}>{legend}</legend>
      <div className={css.choices}>
        {choices.map(({ value, label }) => (
          <label className={css.choice} key={value}>
            <input type="radio" value={value} {...register} />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
