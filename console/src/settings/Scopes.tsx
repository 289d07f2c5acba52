import { useMe } from "~/api/reads";
import { t } from "~/messages";
import { Check } from "~/ui/controls";
import layout from "~/ui/layout.module.css";
import text from "~/ui/text.module.css";
import css from "./Scopes.module.css";

const words = t.settings.tokens;

const toggled = (all: string[], one: string) => (all.includes(one) ? all.filter((scope) => scope !== one) : [...all, one]);

/** What a token may do, of all that one may oneself. */
export function Scopes({ value, onChange, invalid }: { value: string[]; onChange: (scopes: string[]) => void; invalid: string | undefined }) {
  const offered = useMe().data?.permissions ?? [];
  const everything = offered.length > 0 && value.length === offered.length;
  return (
    <fieldset className={layout.stack} data-gap="4">
      <legend className={text.label}>{words.scopes}</legend>
      <span className={text.help}>{words.scopesHelp}</span>
      <Check checked={everything} onChange={() => onChange(everything ? [] : offered)}>{words.allScopes}</Check>
      <div className={css.scopes}>
        {offered.map((scope) => (
          <Check key={scope} checked={value.includes(scope)} onChange={() => onChange(toggled(value, scope))}>
            <code>{scope}</code>
          </Check>
        ))}
      </div>
      {invalid === undefined ? null : (
        <span className={text.error} role="alert">
          {invalid}
        </span>
      )}
    </fieldset>
  );
}
