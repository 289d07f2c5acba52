import { t } from "~/messages";
import { to } from "~/paths";
import { LinkButton } from "~/ui/Button";

/** What an unknown address shows. */
export function NotFound({ title = t.errors.notFoundPage.title, detail = t.errors.notFoundPage.detail }) {
  return (
    <main className="center-page">
      <h1>{title}</h1>
      <p className="muted">{detail}</p>
      <div>
        <LinkButton to={to.home()}>{t.errors.notFoundPage.home}</LinkButton>
      </div>
    </main>
  );
}
