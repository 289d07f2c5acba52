import { useQuery } from "@tanstack/react-query";
import { askVerification, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { emailQuery } from "~/api/queries";
import { t } from "~/messages";
import { Button, ReasonedButton } from "~/ui/Button";
import { ErrorNotice, Notice } from "~/ui/Notice";

const words = t.notices.address;

/** A line for who has not shown yet that their address is theirs; nothing for who has. */
export function VerifyAddress() {
  const { data } = useQuery(emailQuery());
  const keyFor = useIntent();
  const asking = useCommand(askVerification);
  if (data === undefined || data.verified_at !== null) return null;
  if (asking.isSuccess) {
    return (
      <Notice tone="ok" role="status">
        <p>{words.sent(data.email)}</p>
      </Notice>
    );
  }
  const action = data.actions.find(({ name }) => name === "verify");
  return (
    <Notice tone="info" title={words.title}>
      <p>{words.detail(data.email)}</p>
      <div>
        {action?.allowed === false ? (
          <ReasonedButton size="small" reason={action.reason ?? ""}>
            {words.send}
          </ReasonedButton>
        ) : (
          <Button size="small" isPending={asking.isPending} onPress={() => asking.mutate({ key: keyFor("verify") })}>
            {words.send}
          </Button>
        )}
      </div>
      {asking.isError ? <ErrorNotice error={asking.error} /> : null}
    </Notice>
  );
}
