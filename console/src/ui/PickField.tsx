import { useId } from "react";
import { type Control, Controller, type FieldValues, type Path } from "react-hook-form";
import { Select } from "./controls";
import layout from "./layout.module.css";
import text from "./text.module.css";

type PickFieldProps<V extends FieldValues> = {
  control: Control<V>;
  name: Path<V>;
  label: string;
  options: [value: string, label: string][];
};

/** One of many, by name, of a react-hook-form form; with its error. */
export function PickField<V extends FieldValues>({ control, name, label, options }: PickFieldProps<V>) {
  const id = useId();
  return (
    <Controller
      control={control}
      name={name}
      render={({ field, fieldState: { error, invalid } }) => (
        <div className={layout.stack} data-gap="4">
          <label className={text.label} htmlFor={id}>
            {label}
          </label>
          <Select
            id={id}
            ref={field.ref}
            name={field.name}
            value={field.value}
            onChange={field.onChange}
            onBlur={field.onBlur}
            aria-invalid={invalid || undefined}
            aria-describedby={invalid ? `${id}-error` : undefined}
          >
            {options.map(([value, shown]) => (
              <option key={value} value={value}>
                {shown}
              </option>
            ))}
          </Select>
          {invalid ? (
            <span id={`${id}-error`} className={text.error}>
              {error?.message}
            </span>
          ) : null}
        </div>
      )}
    />
  );
}
