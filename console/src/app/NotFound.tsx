import { t } from "~/messages";
import { to } from "~/paths";
import { LinkButton } from "~/ui/Button";
import { Center } from "~/ui/Center";
import text from "~/ui/text.module.css";

/** What an unknown address shows. */
export function NotFound({ title = t.errors.notFoundPage.title, detail = t.errors.notFoundPage.detail }) {
  return (
    <Center>
      <h1>{title}</h1>
      <p className={text.muted}>{detail}</p>
      <div>
        <LinkButton to={to.home()}>{t.errors.notFoundPage.home}</LinkButton>
      </div>
    </Center>
  );
}
