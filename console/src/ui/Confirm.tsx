import { type Command, useCommand } from "~/api/commands";
import { t } from "~/messages";
import { Button } from "./Button";
import { Consequences } from "./Consequences";
import { Dialog, DialogActions } from "./Dialog";
import { ErrorNotice } from "./Notice";

type ConfirmProps<Input> = {
  title: string;
  consequences: string[];
  confirm: string;
  keep?: string;
  danger?: boolean;
  command: Command<Input, unknown>;
  input: Input;
  /** Instead of closing, when it is done: where what was asked about is no more. */
  onDone?: () => void;
  onClose: () => void;
};

/** Asks before something that stops or takes away, and names what will follow. Open while it is rendered. */
export function Confirm<Input>({ title, consequences, confirm, keep, danger = true, command, input, onDone, onClose }: ConfirmProps<Input>) {
  const acting = useCommand(command);
  return (
    <Dialog title={title} role="alertdialog" onClose={onClose}>
      <Consequences lines={consequences} />
      {acting.isError ? <ErrorNotice error={acting.error} /> : null}
      <DialogActions>
        <Button onPress={onClose} autoFocus>
          {keep ?? t.shell.dialog.cancel}
        </Button>
        <Button variant={danger ? "danger" : "primary"} isPending={acting.isPending} onPress={() => acting.mutate(input, { onSuccess: onDone ?? onClose })}>
          {confirm}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
