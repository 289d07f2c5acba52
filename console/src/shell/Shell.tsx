import { type ComponentType, lazy, type ReactNode, Suspense, useEffect, useRef } from "react";
import { useLocation } from "react-router";
import { useMe } from "~/api/reads";
import { PageOutlet } from "~/app/PageOutlet";
import { t } from "~/messages";
import { BooksAlarm } from "~/operator/BooksAlarm";
import { to } from "~/paths";
import { Brand } from "~/ui/Brand";
import { CardIcon, CheckIcon, MachineIcon, OperatorIcon, PersonIcon, PlayIcon, SettingsIcon, TagIcon } from "~/ui/icons";
import { AccountMenu } from "./AccountMenu";
import { Bell } from "./Bell";
import { Funds } from "./Funds";
import { FundsBanner } from "./FundsBanner";
import { TermsBanner } from "./TermsBanner";
import { Rail, type RailLink } from "./Rail";
import css from "./Shell.module.css";

const MAIN = "main";

/** No page fails because the lines beside it cannot be fetched. */
const Toasts = lazy((): Promise<{ default: ComponentType }> => import("~/live/Toasts").catch(() => ({ default: () => null })));

/** After a change of page the keyboard and the screen reader start at its beginning, as with a page of its own. */
function useFocusOnNavigation() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const last = useRef(pathname);
  useEffect(() => {
    if (last.current === pathname) return;
    last.current = pathname;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [pathname]);
  return main;
}

type FrameProps = { console: "customer" | "operator"; home: string; links: RailLink[]; other: RailLink | null; head: ReactNode; banner?: ReactNode };

function Frame({ console: which, home, links, other, head, banner }: FrameProps) {
  const main = useFocusOnNavigation();
  const me = useMe();
  return (
    <div className={css.shell} data-console={which}>
      <a className={css.skip} href={`#${MAIN}`}>
        {t.shell.skip}
      </a>
      <header className={css.header}>
        <Brand to={home}>
          <span className={css.name}>{t.shell.product}</span>
        </Brand>
        {which === "operator" ? <span className={css.tag}>{t.shell.operatorTag}</span> : null}
        <div className={css.end}>
          {head}
          <Bell />
          <AccountMenu />
        </div>
      </header>
      <Rail organization={which === "operator" ? t.shell.operatorConsole : (me.data?.organization.name ?? "")} links={links} other={other} />
      <main className={css.main} id={MAIN} tabIndex={-1} ref={main}>
        {banner}
        <PageOutlet />
      </main>
      <Suspense>
        <Toasts />
      </Suspense>
    </div>
  );
}

export function CustomerShell() {
  const me = useMe();
  const isOperator = (me.data?.platform_roles.length ?? 0) > 0;
  return (
    <Frame
      console="customer"
      home={to.home()}
      links={[
        { to: to.home(), label: t.shell.allocations, icon: <MachineIcon />, also: "/allocations" },
        { to: to.launch(), label: t.shell.launch, icon: <PlayIcon /> },
        { to: to.billing(), label: t.shell.billing, icon: <CardIcon /> },
        { to: to.settings(), label: t.shell.settings, icon: <SettingsIcon /> },
      ]}
      other={isOperator ? { to: to.operator.nodes(), label: t.shell.operatorConsole, short: t.shell.operatorShort, icon: <OperatorIcon /> } : null}
      head={<Funds />}
      banner={
        <>
          <TermsBanner />
          <FundsBanner />
        </>
      }
    />
  );
}

export function OperatorShell() {
  return (
    <Frame
      console="operator"
      home={to.operator.nodes()}
      links={[
        { to: to.operator.nodes(), label: t.shell.nodes, icon: <MachineIcon /> },
        { to: to.operator.skus(), label: t.shell.skus, short: t.shell.skusShort, icon: <TagIcon /> },
        { to: to.operator.allocations(), label: t.shell.allocations, icon: <PlayIcon /> },
        { to: to.operator.money(), label: t.shell.money, icon: <CardIcon /> },
        { to: to.operator.helpers(), label: t.shell.helpers, icon: <SettingsIcon /> },
        { to: to.operator.approvals(), label: t.shell.approvals, icon: <CheckIcon /> },
      ]}
      other={{ to: to.home(), label: t.shell.customerConsole, short: t.shell.customerShort, icon: <PersonIcon /> }}
      head={null}
      banner={<BooksAlarm />}
    />
  );
}
