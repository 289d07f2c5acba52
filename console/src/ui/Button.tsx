import { type ComponentProps, type ReactNode, useId, useState } from "react";
import { Button as AriaButton } from "react-aria-components";
import { Link, type LinkProps } from "react-router";
import type { Action } from "~/api/types";
import css from "./Button.module.css";
import { WaitIcon } from "./icons";
import text from "./text.module.css";

type Look = { variant?: "primary" | "danger" | "quiet"; size?: "small" | "icon"; wide?: boolean };

const look = ({ variant, size, wide }: Look) => ({
  className: css.button,
  "data-variant": variant,
  "data-size": size,
  "data-wide": wide || undefined,
});

type ButtonProps = Look & Omit<ComponentProps<typeof AriaButton>, "className" | "style" | "children"> & { children: ReactNode };

export function Button({ variant, size, wide, children, ...rest }: ButtonProps) {
  return (
    <AriaButton {...look({ variant, size, wide })} {...rest}>
      {rest.isPending ? <WaitIcon /> : null}
      {children}
    </AriaButton>
  );
}

type LinkButtonProps = Look & LinkProps;

/** A link that looks like a button: it goes somewhere, and changes nothing. */
export function LinkButton({ variant, size, wide, ...rest }: LinkButtonProps) {
  return <Link {...look({ variant, size, wide })} {...rest} />;
}

type AwayButtonProps = Look & Omit<ComponentProps<"a">, "className" | "children"> & { href: string; children: ReactNode };

/** The same, to an address that is none of this console's pages, or that is to be loaded anew. */
export function AwayButton({ variant, size, wide, children, ...rest }: AwayButtonProps) {
  return (
    <a {...look({ variant, size, wide })} {...rest}>
      {children}
    </a>
  );
}

type ReasonedProps = Look & { reason: string; children: ReactNode; hideReason?: boolean; "aria-label"?: string | undefined };

/** A button that cannot be used now, and says why. It stays reachable, so that a screen reader finds the reason too; where the reason is hidden, a press shows it. */
export function ReasonedButton({ reason, children, hideReason, "aria-label": label, ...rest }: ReasonedProps) {
  const id = useId();
  const [asked, setAsked] = useState(false);
  const hidden = hideReason && !asked;
  return (
    <span className={css.reasoned}>
      <button
        type="button"
        aria-disabled="true"
        aria-label={label}
        aria-describedby={id}
        title={hidden ? reason : undefined}
        onClick={() => setAsked(true)}
        {...look(rest)}
      >
        {children}
      </button>
      <span id={id} className={hidden ? text.visuallyHidden : css.why}>
        {reason}
      </span>
    </span>
  );
}

type ActionButtonProps = ButtonProps & { action: Action | undefined; hideReason?: boolean };

/** Offers what the server's `actions` allow; what they refuse is shown with the reason; what they do not name is not there. */
export function ActionButton({ action, hideReason, ...rest }: ActionButtonProps) {
  if (action === undefined) return null;
  if (action.allowed) return <Button {...rest} />;
  const { variant, size, wide, children } = rest;
  return (
    <ReasonedButton {...{ variant, size, wide, hideReason }} aria-label={rest["aria-label"]} reason={action.reason ?? ""}>
      {children}
    </ReasonedButton>
  );
}

/** The action of a name among those of a resource. */
export function actionNamed(actions: Action[], name: string): Action | undefined {
  return actions.find((action) => action.name === name);
}
