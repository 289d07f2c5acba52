import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import css from "./Dialog.module.css";

type DialogProps = { title: string; role?: "dialog" | "alertdialog"; onClose: () => void; children: ReactNode };

/** Something in front of the page, to be answered or put away. Open while it is rendered. */
export function Dialog({ title, role = "dialog", onClose, children }: DialogProps) {
  return (
    <ModalOverlay className={css.overlay} isOpen isDismissable onOpenChange={(open) => !open && onClose()}>
      <Modal className={css.dialog}>
        <AriaDialog role={role}>
          <Heading slot="title">{title}</Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/** What a dialog ends with. */
export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={css.actions}>{children}</div>;
}
