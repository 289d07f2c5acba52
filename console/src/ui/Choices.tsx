import type { UseFormRegisterReturn } from "react-hook-form";

type ChoicesProps = { legend: string; choices: { value: string; label: string }[]; register: UseFormRegisterReturn };

/** One of a few, side by side. */
export function Choices({ legend, choices, register }: ChoicesProps) {
  return (
    <fieldset className="stack" data-gap="8">
      <legend className="field-label">{legend}</legend>
      <div className="choices">
        {choices.map(({ value, label }) => (
          <label className="choice" key={value}>
            <input type="radio" value={value} {...register} />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
