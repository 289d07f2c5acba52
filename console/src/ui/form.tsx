import { type ReactNode, useEffect } from "react";
import { FieldError, Input, Label, Text, TextArea, TextField } from "react-aria-components";
import { type Control, Controller, type FieldValues, type Path, type UseFormReturn } from "react-hook-form";
import { Problem } from "~/errors";
import { t } from "~/messages";
import { Button } from "./Button";
import { DialogActions } from "./Dialog";
import css from "./form.module.css";
import layout from "./layout.module.css";
import { ErrorNotice } from "./Notice";
import text from "./text.module.css";

type FieldProps<V extends FieldValues> = {
  control: Control<V>;
  name: Path<V>;
  label: string;
  help?: string;
  type?: "text" | "email" | "password" | "datetime-local";
  inputMode?: "decimal" | "numeric";
  autoComplete?: string;
  maxLength?: number;
  optional?: boolean;
  mono?: boolean;
  multiline?: boolean;
  autoFocus?: boolean;
};

/** A labelled field with its help and its error, of a react-hook-form form. */
export function Field<V extends FieldValues>({ control, name, label, help, optional, mono, multiline, ...input }: FieldProps<V>) {
  const look = { className: css.input, "data-mono": mono || undefined };
  return (
    <Controller
      control={control}
      name={name}
      render={({ field, fieldState }) => (
        <TextField
          className={css.field}
          name={field.name}
          value={field.value}
          onChange={field.onChange}
          onBlur={field.onBlur}
          isInvalid={fieldState.invalid}
          validationBehavior="aria"
          type={input.type}
          inputMode={input.inputMode}
          autoComplete={input.autoComplete ?? "off"}
          autoFocus={input.autoFocus}
          maxLength={input.maxLength}
          isRequired={!optional}
        >
          <Label>
            {label}
            {optional ? <span className={css.optional}> ({t.shell.optional})</span> : null}
          </Label>
          {multiline ? <TextArea ref={field.ref} spellCheck={false} {...look} /> : <Input ref={field.ref} {...look} />}
          {help === undefined ? null : (
            <Text slot="description" className={text.help}>
              {help}
            </Text>
          )}
          <FieldError className={text.error}>{fieldState.error?.message}</FieldError>
        </TextField>
      )}
    />
  );
}

type FormProps<V extends FieldValues> = {
  form: UseFormReturn<V>;
  /** What the form asks for: while it is under way, and how it failed. */
  doing: { isPending: boolean; error: unknown };
  onSubmit: (values: V) => void;
  /** How the server names fields, where it differs from the form. */
  fieldNames?: Record<string, Path<V>>;
  submit: string;
  wide?: boolean;
  /** In a dialog: the way out. */
  onCancel?: () => void;
  /** What takes the place of the button, where that is more than a button. */
  footer?: ReactNode;
  children: ReactNode;
};

/** Every form: its fields, its complaints, and the button that names what it does. A server's complaint goes to its field; what belongs to none is shown above. */
export function Form<V extends FieldValues>({ form, doing, onSubmit, fieldNames, submit, wide, onCancel, footer, children }: FormProps<V>) {
  const { error, isPending } = doing;
  const values = form.getValues();
  const found = error instanceof Problem ? error.fields.map(({ field, message }) => ({ field: fieldNames?.[field] ?? field, message })) : [];
  const placed = found.length > 0 && found.every(({ field }) => field in values);
  const { setError } = form;
  useEffect(() => {
    if (!(error instanceof Problem)) return;
    for (const { field, message } of error.fields) setError((fieldNames?.[field] ?? field) as Path<V>, { message });
    // fieldNames is written out at each call and never changes its meaning.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [error, setError]);
  const button = (
    <Button type="submit" variant="primary" wide={wide} isPending={isPending}>
      {submit}
    </Button>
  );
  const alone = wide ? button : <div>{button}</div>;
  const buttons =
    onCancel === undefined ? (
      alone
    ) : (
      <DialogActions>
        <Button onPress={onCancel}>{t.shell.dialog.cancel}</Button>
        {button}
      </DialogActions>
    );
  return (
    <form className={layout.stack} noValidate onSubmit={(event) => void form.handleSubmit(onSubmit)(event)}>
      {error !== null && error !== undefined && !placed ? <ErrorNotice error={error} /> : null}
      {children}
      {footer ?? buttons}
    </form>
  );
}
