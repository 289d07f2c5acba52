import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "react-router";
import { confirmEmail, useCommand } from "~/api/commands";
import { emailQuery } from "~/api/queries";
import { t } from "~/messages";
import { to } from "~/paths";
import { Button, LinkButton } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { ErrorNotice, Notice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Panel } from "~/ui/Panel";

const words = t.notices.confirm;

/** Where the link of a verifying mail leads. A press confirms, so that a program which only opens links does not. */
export function VerifyEmailPage() {
  const { hash } = useLocation();
  const [secret] = useState(hash.slice(1));
  const { data } = useQuery(emailQuery());
  const confirming = useCommand(confirmEmail);
  const done = confirming.isSuccess;
  return (
    <Page name={words.title} title={words.title}>
      <Panel>
        <div className={layout.stack}>
          {done ? <Notice tone="ok" role="status" title={words.done} /> : null}
          {!done && secret === "" ? <Notice tone="warn">{words.missing}</Notice> : null}
          {!done && secret !== "" && data !== undefined ? (
            <>
              <p>{words.detail(data.email)}</p>
              <div>
                <Button variant="primary" isPending={confirming.isPending} onPress={() => confirming.mutate({ secret })}>
                  {words.submit}
                </Button>
              </div>
            </>
          ) : null}
          {confirming.isError ? <ErrorNotice error={confirming.error} /> : null}
          <div>
            <LinkButton to={to.inbox()}>{words.onward}</LinkButton>
          </div>
        </div>
      </Panel>
    </Page>
  );
}
