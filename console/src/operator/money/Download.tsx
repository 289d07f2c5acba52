import { t } from "~/messages";
import { AwayButton } from "~/ui/Button";

/** The way to a report as a file. */
export function Download({ href, what }: { href: string; what: string }) {
  return (
    <AwayButton size="small" href={href} download aria-label={t.money.csvOf(what)}>
      {t.money.csv}
    </AwayButton>
  );
}
