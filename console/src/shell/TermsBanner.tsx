import { useQueryClient } from "@tanstack/react-query";
import { TermsLink } from "~/account/TermsLink";
import { acceptTerms, useCommand } from "~/api/commands";
import { meQuery } from "~/api/queries";
import { useMe } from "~/api/reads";
import { t } from "~/messages";
import { Button } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { ErrorNotice, Notice } from "~/ui/Notice";
import css from "./TermsBanner.module.css";

/** Asks for the terms in force, on every customer page, of who has not accepted them. */
export function TermsBanner() {
  const client = useQueryClient();
  const terms = useMe().data?.terms_to_accept ?? null;
  const accepting = useCommand(acceptTerms, { onSuccess: (me) => client.setQueryData(meQuery().queryKey, me) });
  if (terms === null) return null;
  return (
    <div className={css.banner}>
      {accepting.isError ? <ErrorNotice error={accepting.error} /> : null}
      <Notice tone="warn" role="status">
        <div className={layout.spread}>
          <p>
            {t.account.terms.changed} <TermsLink terms={terms} />
          </p>
          <Button size="small" isPending={accepting.isPending} onPress={() => accepting.mutate({ version: terms.version })}>
            {t.account.terms.submit}
          </Button>
        </div>
      </Notice>
    </div>
  );
}
