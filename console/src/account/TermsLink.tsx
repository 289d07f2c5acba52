import type { Terms } from "~/api/types";
import { t } from "~/messages";

/** The text itself, beside the page that asks for it. */
export function TermsLink({ terms }: { terms: Terms }) {
  return (
    <a href={terms.url} target="_blank" rel="noreferrer">
      {t.account.terms.link(terms.version)}
    </a>
  );
}
