import { t } from "~/messages";
import { AwayButton } from "./Button";

/** The way to a report as a file. */
export function Download({ href, what }: { href: string; what: string }) {
  return (
    <AwayButton size="small" href={href} download aria-label={t.shell.csvOf(what)}>
      {t.shell.csv}
    </AwayButton>
  );
}
