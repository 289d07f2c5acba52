import { useMutation } from "@tanstack/react-query";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { t } from "~/messages";
import { Button } from "./Button";
import { ErrorNotice } from "./Notice";

type ConfirmProps = {
  title: string;
  consequences: string[];
  confirm: string;
  keep?: string;
  danger?: boolean;
  act: () => Promise<unknown>;
  onClose: () => void;
};

/** Asks before something that stops or takes away, and names what will follow. Open while it is rendered. */
export function Confirm({ title, consequences, confirm, keep, danger = true, act, onClose }: ConfirmProps) {
  const mutation = useMutation({ mutationFn: act, onSuccess: onClose });
  return (
    <ModalOverlay className="overlay" isOpen isDismissable onOpenChange={(open) => !open && onClose()}>
      <Modal className="dialog">
        <Dialog role="alertdialog">
          <Heading slot="title">{title}</Heading>
          <ul className="consequences">
            {consequences.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
          {mutation.isError ? <ErrorNotice error={mutation.error} /> : null}
          <div className="dialog-actions">
            <Button onPress={onClose} autoFocus>
              {keep ?? t.shell.dialog.cancel}
            </Button>
            <Button variant={danger ? "danger" : "primary"} isPending={mutation.isPending} onPress={() => mutation.mutate()}>
              {confirm}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
