import { Link } from "react-router";
import type { Approval } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { Button } from "~/ui/Button";
import { DialogActions } from "~/ui/Dialog";
import { Moment } from "~/ui/figures";
import { Notice } from "~/ui/Notice";

const words = t.money.requests;

/** What was asked for and waits for somebody else, in place of the form that asked. */
export function SecondPerson({ approval, onClose }: { approval: Approval; onClose: () => void }) {
  return (
    <>
      <Notice tone="warn" title={words.second} role="status">
        <p>{words.secondDetail}</p>
        <p>
          {t.approvals.expires} <Moment at={approval.expires_at} />
        </p>
        <Link to={to.operator.approvals()}>{words.seeApprovals}</Link>
      </Notice>
      <DialogActions>
        <Button onPress={onClose} autoFocus>
          {words.close}
        </Button>
      </DialogActions>
    </>
  );
}
