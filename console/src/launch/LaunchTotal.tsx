import { type ReactNode, useId } from "react";
import { useWallet } from "~/api/reads";
import type { Offer } from "~/api/types";
import { cli } from "~/cli";
import { formatRate, formatRateAmount, isNothing } from "~/format/money";
import { formatShape } from "~/format/shape";
import { t } from "~/messages";
import { Button, ReasonedButton } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import { Amount, ExactAmount, RateFigure } from "~/ui/figures";
import { Facts, Panel } from "~/ui/Page";
import { gpuText, needsFunds, refusal } from "./OffersTable";

const words = t.launch;

/** Where on the page money is taken; on a phone it is far above the bar that says that it is missing. */
export const ADD_FUNDS = "add-funds";

type LaunchTotalProps = {
  offer: Offer;
  name: string;
  nameInvalid: boolean;
  onName: (name: string) => void;
  openTerminal: boolean;
  onOpenTerminal: (open: boolean) => void;
  isPending: boolean;
  onLaunch: () => void;
  children: ReactNode;
};

function NameField({ name, nameInvalid, onName }: Pick<LaunchTotalProps, "name" | "nameInvalid" | "onName">) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>
        {words.name} <span className="field-optional">({t.shell.optional})</span>
      </label>
      <input
        className="input"
        id={id}
        value={name}
        maxLength={31}
        autoComplete="off"
        spellCheck={false}
        aria-invalid={nameInvalid}
        aria-describedby={`${id}-help`}
        onChange={({ target }) => onName(target.value)}
      />
      <span id={`${id}-help`} className={nameInvalid ? "field-error" : "field-help"}>
        {nameInvalid ? words.nameInvalid : words.nameHelp}
      </span>
    </div>
  );
}

/** What the chosen offer costs, in the server's own figures, and the button that starts it. */
export function LaunchTotal({ offer, openTerminal, onOpenTerminal, isPending, onLaunch, children, ...name }: LaunchTotalProps) {
  const { data: wallet } = useWallet();
  const { sku, price } = offer;
  const why = refusal(offer);
  const rows: [string, ReactNode][] = [
    [words.total.rate, <RateFigure key="rate" rate={price.per_hour} />],
    [words.total.hour, <data key="hour" value={price.per_hour.amount}>{formatRateAmount(price.per_hour)}</data>],
  ];
  if (!isNothing(price.suspended_per_hour)) rows.push([words.total.suspended, <RateFigure key="suspended" rate={price.suspended_per_hour} />]);
  rows.push([words.total.hold, <ExactAmount key="hold" money={offer.hold} />]);
  if (wallet !== undefined) rows.push([words.total.available, <Amount key="available" money={wallet.available} />]);
  return (
    <form
      className="total"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onLaunch();
      }}
    >
      <Panel title={sku.name} aside={<span className="tag">{words.total.title}</span>}>
        <p className="muted">
          {formatShape(sku)}
          {sku.gpu_count > 0 ? <span className="cell-sub">{gpuText(sku)}</span> : null}
        </p>
        <Facts rows={rows} />
        <NameField {...name} />
        <label className="check">
          <input type="checkbox" checked={openTerminal} onChange={({ target }) => onOpenTerminal(target.checked)} />
          {words.openTerminal}
        </label>
        {offer.limits_enforced ? null : <p className="field-help">{words.notEnforcedHelp}</p>}
        {children}
        <div className="total-bar">
          {why === null ? (
            <Button type="submit" variant="primary" wide isPending={isPending}>
              {isPending ? words.submitting : words.submit(formatRate(price.per_hour))}
            </Button>
          ) : (
            <ReasonedButton variant="primary" wide reason={why}>
              {words.submit(formatRate(price.per_hour))}
            </ReasonedButton>
          )}
          {needsFunds(offer) ? <a href={`#${ADD_FUNDS}`}>{t.billing.addFunds}</a> : null}
        </div>
        <p className="field-help">{words.total.seconds}</p>
        <CliHint command={cli.launch(sku.code, name.name)} />
      </Panel>
    </form>
  );
}
