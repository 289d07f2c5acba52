/** Lines about what happens in the background. None is there when a page is opened, so this is fetched after it. */
import "sonner/dist/styles.css";
import { Toaster, toast } from "sonner";
import { t } from "~/messages";
import "./Toasts.css";

/** Where the lines appear. */
export default function Toasts() {
  return (
    <Toaster position="bottom-right" visibleToasts={3} containerAriaLabel={t.shell.toast.region} toastOptions={{ closeButtonAriaLabel: t.shell.toast.close }} />
  );
}

/** Says a line; one that `stays` is there until it is put away. */
export function say(line: string, stays: boolean): void {
  toast(line, stays ? { duration: Number.POSITIVE_INFINITY, closeButton: true } : {});
}
