import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { readAllNotices, readNotice, useCommand } from "~/api/commands";
import { noticesQuery } from "~/api/queries";
import type { Notice as Told } from "~/api/types";
import { t } from "~/messages";
import { safeNext, to } from "~/paths";
import { Button, LinkButton } from "~/ui/Button";
import { Empty } from "~/ui/Empty";
import { Moment } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ErrorNotice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Pager, useCursor } from "~/ui/Pager";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";
import css from "./InboxPage.module.css";
import { VerifyAddress } from "./VerifyAddress";

const words = t.notices;

/** What became of the mail; nothing where none was wanted, or it is on its way. */
function mailLine({ mailed_at, not_mailed_because }: Told): string | null {
  if (mailed_at !== null) return words.mailed;
  return not_mailed_because === null ? null : (words.notMailed[not_mailed_because] ?? words.notMailedOtherwise);
}

function OneNotice({ notice }: { notice: Told }) {
  const reading = useCommand(readNotice);
  const unread = notice.read_at === null;
  const mail = mailLine(notice);
  return (
    <li className={css.notice} data-unread={unread || undefined}>
      <div className={css.head}>
        <h2 className={css.title}>
          {notice.title} {unread ? <Tag>{words.unread}</Tag> : null}
        </h2>
        <span className={text.muted}>
          <Moment at={notice.created_at} />
        </span>
      </div>
      {notice.sentences.map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {mail === null ? null : <p className={`${text.small} ${text.muted}`}>{mail}</p>}
      <div className={layout.cluster}>
        <LinkButton size="small" to={safeNext(notice.link)} onClick={() => unread && reading.mutate(notice.id)}>
          {notice.link_says}
        </LinkButton>
        {unread ? (
          <Button size="small" variant="quiet" isPending={reading.isPending} aria-label={words.readLabel(notice.title)} onPress={() => reading.mutate(notice.id)}>
            {words.read}
          </Button>
        ) : null}
      </div>
      {reading.isError ? <ErrorNotice error={reading.error} /> : null}
    </li>
  );
}

/** What one was told, newest first. */
export function InboxPage() {
  const query = useQuery(noticesQuery({ cursor: useCursor() }));
  const clearing = useCommand(readAllNotices);
  const newest = query.data?.items[0];
  const unread = query.data?.items.some(({ read_at }) => read_at === null) ?? false;
  return (
    <Page
      name={words.title}
      title={words.title}
      actions={
        <>
          <Freshness query={query} />
          {unread && newest !== undefined ? (
            <Button isPending={clearing.isPending} onPress={() => clearing.mutate(newest.id)}>
              {words.readAll}
            </Button>
          ) : null}
        </>
      }
    >
      <VerifyAddress />
      {clearing.isError ? <ErrorNotice error={clearing.error} /> : null}
      <QueryView query={query} skeleton="table">
        {({ items, next_cursor }) => (
          <Panel flush>
            {items.length === 0 ? (
              <Empty title={words.empty.title} detail={words.empty.detail} />
            ) : (
              <ul className={css.list}>
                {items.map((notice) => (
                  <OneNotice key={notice.id} notice={notice} />
                ))}
              </ul>
            )}
            <Pager next={next_cursor} />
          </Panel>
        )}
      </QueryView>
      <p>
        <Link to={to.settings("notices")}>{words.choose}</Link>
      </p>
    </Page>
  );
}
