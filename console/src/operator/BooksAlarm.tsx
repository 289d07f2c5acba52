import { useLocation } from "react-router";
import { useAlarm } from "~/api/books";
import { t } from "~/messages";
import { to } from "~/paths";
import { LinkButton } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { Notice } from "~/ui/Notice";
import css from "./BooksAlarm.module.css";

const words = t.money.alarm;

/** On every operator page: that something is wrong in a way that loses money, or hides that it does. */
export function BooksAlarm() {
  const { data } = useAlarm();
  const { pathname } = useLocation();
  const [worst] = data?.items ?? [];
  if (worst === undefined) return null;
  return (
    <div className={css.banner}>
      <Notice tone="bad" title={words.title(worst.code)} role="status">
        <div className={layout.spread}>
          <p>{words.effect}</p>
          {pathname === to.operator.money("findings") ? null : (
            <LinkButton size="small" to={to.operator.money("findings", { severity: "critical" })}>
              {words.see}
            </LinkButton>
          )}
        </div>
      </Notice>
    </div>
  );
}
