/** Line icons of 16 px, drawn for this console. All are decoration: the word beside them says the same. */
import type { ReactNode, SVGProps } from "react";
import css from "./icons.module.css";

function Icon({ children, ...rest }: SVGProps<SVGSVGElement> & { children: ReactNode }) {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" {...rest}>
      {children}
    </svg>
  );
}

export const MachineIcon = () => (
  <Icon>
    <rect x="2" y="2.5" width="12" height="4.5" rx="1" />
    <rect x="2" y="9" width="12" height="4.5" rx="1" />
    <path d="M4.75 4.75h.01M4.75 11.25h.01" />
  </Icon>
);
export const PlayIcon = () => (
  <Icon>
    <path d="M4.5 3v10l8-5z" />
  </Icon>
);
export const BellIcon = () => (
  <Icon>
    <path d="M4 7a4 4 0 0 1 8 0v2.5l1.25 2.25H2.75L4 9.5zM6.75 14h2.5" />
  </Icon>
);
export const CardIcon = () => (
  <Icon>
    <rect x="1.75" y="3.25" width="12.5" height="9.5" rx="1.5" />
    <path d="M1.75 6.5h12.5M4.5 10h2.5" />
  </Icon>
);
export const SettingsIcon = () => (
  <Icon>
    <path d="M2 4.5h5M11 4.5h3M2 11.5h3M9 11.5h5" />
    <circle cx="9" cy="4.5" r="1.75" />
    <circle cx="7" cy="11.5" r="1.75" />
  </Icon>
);
export const OperatorIcon = () => (
  <Icon>
    <path d="M8 1.75 13.5 4v4c0 3-2.25 5.25-5.5 6.25C4.75 13.25 2.5 11 2.5 8V4z" />
  </Icon>
);
export const TagIcon = () => (
  <Icon>
    <path d="M2 2.5h5.5l6.5 6.5-5 5L2.5 8z" />
    <path d="M5.25 5.25h.01" />
  </Icon>
);
export const CopyIcon = () => (
  <Icon>
    <rect x="5.25" y="5.25" width="8.5" height="8.5" rx="1.25" />
    <path d="M10.75 5.25v-2a1 1 0 0 0-1-1h-6.5a1 1 0 0 0-1 1v6.5a1 1 0 0 0 1 1h2" />
  </Icon>
);
export const CheckIcon = () => (
  <Icon>
    <path d="m3 8.5 3.25 3.25L13 5" />
  </Icon>
);
export const CrossIcon = () => (
  <Icon>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Icon>
);
export const AlertIcon = () => (
  <Icon>
    <path d="M8 2 14.5 13.5h-13z" />
    <path d="M8 6.5v3M8 11.5h.01" />
  </Icon>
);
export const InfoIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="6.25" />
    <path d="M8 7.25V11M8 5h.01" />
  </Icon>
);
export const WaitIcon = () => (
  <Icon className={css.spin}>
    <path d="M14.25 8A6.25 6.25 0 1 1 8 1.75" />
  </Icon>
);
export const DotIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="3" />
  </Icon>
);
export const PersonIcon = () => (
  <Icon>
    <circle cx="8" cy="5" r="2.75" />
    <path d="M2.75 13.75c.75-2.75 2.75-4 5.25-4s4.5 1.25 5.25 4" />
  </Icon>
);
export const ContrastIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="6" />
    <path d="M8 2v12a6 6 0 0 0 0-12z" fill="currentColor" />
  </Icon>
);
export const TerminalIcon = () => (
  <Icon>
    <rect x="1.75" y="2.75" width="12.5" height="10.5" rx="1.5" />
    <path d="m4.5 6 2 2-2 2M8.5 10.25h3" />
  </Icon>
);
export const BackIcon = () => (
  <Icon>
    <path d="M9.5 3.5 5 8l4.5 4.5" />
  </Icon>
);
export const Mark = () => (
  <svg width="22" height="22" viewBox="0 0 32 32" fill="currentColor" aria-hidden="true">
    <rect x="3" y="6" width="26" height="5" rx="2.5" />
    <rect x="3" y="13.5" width="26" height="5" rx="2.5" opacity=".3" />
    <rect x="3" y="13.5" width="17" height="5" rx="2.5" />
    <rect x="3" y="21" width="26" height="5" rx="2.5" opacity=".3" />
    <rect x="3" y="21" width="8" height="5" rx="2.5" />
  </svg>
);
