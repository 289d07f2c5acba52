import { Link } from "react-router";
import { useUnread } from "~/api/reads";
import { t } from "~/messages";
import { to } from "~/paths";
import { BellIcon } from "~/ui/icons";
import css from "./Bell.module.css";

/** The way to the inbox, with how much in it is unread. */
export function Bell() {
  const count = useUnread().data?.count ?? 0;
  return (
    <Link className={css.bell} to={to.inbox()} aria-label={t.notices.bell(count)}>
      <BellIcon />
      {count === 0 ? null : (
        <span className={css.count} aria-hidden="true">
          {t.notices.count(count)}
        </span>
      )}
    </Link>
  );
}
