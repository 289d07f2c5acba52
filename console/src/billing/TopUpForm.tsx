import { useId, useState } from "react";
import { topUp, useCommand } from "~/api/commands";
import type { TopUpBody } from "~/api/types";
import { cli } from "~/cli";
import { useIntent } from "~/api/intent";
import { Problem } from "~/errors";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { Button } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import { ErrorNotice } from "~/ui/Notice";

const words = t.billing.form;
const CUSTOM = "custom";
const AMOUNT = /^\d{1,6}(?:\.\d{1,2})?$/;

type Currency = NonNullable<TopUpBody["currency"]>;
type TopUpFormProps = { returnPath: string };

/** What the wallet is in, and what cards are charged in. */
const currency: Currency = "USD";

/** Takes an amount and goes to the card processor's page; the console itself never sees a card. */
export function TopUpForm({ returnPath }: TopUpFormProps) {
  const [choice, setChoice] = useState(words.presets[0] ?? CUSTOM);
  const [custom, setCustom] = useState("");
  const [invalid, setInvalid] = useState(false);
  const keyFor = useIntent();
  const customId = useId();
  const paying = useCommand(topUp, { onSuccess: ({ checkout_url }) => checkout_url !== null && window.location.assign(checkout_url) });
  const nowhere = paying.data?.checkout_url === null ? new Problem("no_checkout", 0, words.title, words.unavailable) : null;
  const leaving = paying.isPending || (paying.isSuccess && nowhere === null);
  const error = paying.error ?? nowhere;
  const submit = () => {
    const amount = choice === CUSTOM ? custom.trim() : choice;
    setInvalid(!AMOUNT.test(amount));
    if (!AMOUNT.test(amount)) return;
    const body: TopUpBody = { amount, currency, return_path: returnPath };
    paying.mutate({ key: keyFor(body), body });
  };
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {error === null ? null : <ErrorNotice error={error} />}
      <fieldset className="stack" data-gap="8">
        <legend className="field-label">{words.amount}</legend>
        <div className="choices">
          {[...words.presets, CUSTOM].map((amount) => (
            <label className="choice" key={amount}>
              <input type="radio" name="amount" value={amount} checked={choice === amount} onChange={() => setChoice(amount)} />
              {amount === CUSTOM ? words.custom : formatMoney({ amount, currency })}
            </label>
          ))}
        </div>
      </fieldset>
      {choice === CUSTOM ? (
        <div className="field">
          <label htmlFor={customId}>{words.customLabel(currency)}</label>
          <input
            className="input"
            id={customId}
            inputMode="decimal"
            autoComplete="off"
            value={custom}
            aria-invalid={invalid}
            aria-describedby={invalid ? `${customId}-error` : undefined}
            onChange={({ target }) => setCustom(target.value)}
          />
          {invalid ? (
            <span className="field-error" id={`${customId}-error`}>
              {words.invalid}
            </span>
          ) : null}
        </div>
      ) : null}
      <p className="field-help">{words.help}</p>
      <CliHint command={cli.topUp(choice === CUSTOM ? custom.trim() : choice)} />
      <div>
        <Button type="submit" variant="primary" isPending={leaving}>
          {leaving ? words.submitting : words.submit}
        </Button>
      </div>
    </form>
  );
}
