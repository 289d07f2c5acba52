import type { ReactNode } from "react";
import { Link, useLocation, useNavigation } from "react-router";
import { useLive } from "~/live/state";
import { t } from "~/messages";
import { LIVE_STATES } from "~/states";
import { Status } from "~/ui/Status";
import css from "./Rail.module.css";

export type RailLink = { to: string; label: string; short?: string; icon: ReactNode; also?: string };

function isHere(pathname: string, { to, also }: RailLink): boolean {
  const below = (base: string) => pathname === base || pathname.startsWith(`${base}/`);
  return to === "/" ? pathname === "/" || (also !== undefined && below(also)) : below(to);
}

function RailItem({ link, current }: { link: RailLink; current: boolean }) {
  return (
    <Link to={link.to} aria-current={current ? "page" : undefined} aria-label={link.label}>
      {link.icon}
      <span className={css.long}>{link.label}</span>
      <span className={css.short}>{link.short ?? link.label}</span>
    </Link>
  );
}

/** The navigation: a rail on a wide screen, a bar at the bottom on a narrow one. */
export function Rail({ organization, links, other }: { organization: string; links: RailLink[]; other: RailLink | null }) {
  const here = useLocation();
  const { pathname } = useNavigation().location ?? here;
  const look = LIVE_STATES[useLive()];
  return (
    <nav className={css.rail} aria-label={t.shell.mainNavigation}>
      <p className={css.organization}>{organization}</p>
      <ul>
        {links.map((link) => (
          <li key={link.to}>
            <RailItem link={link} current={isHere(pathname, link)} />
          </li>
        ))}
      </ul>
      <div className={css.end}>
        {other === null ? null : <RailItem link={other} current={false} />}
        <div className={css.state}>
          <Status look={look} />
        </div>
      </div>
    </nav>
  );
}
