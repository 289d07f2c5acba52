import { t } from "~/messages";

const BROWSERS: [RegExp, string][] = [
  [/Firefox\//, "Firefox"],
  [/Edg\//, "Edge"],
  [/Chrome\//, "Chrome"],
  [/Safari\//, "Safari"],
];

const SYSTEMS: [RegExp, string][] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/** "Chrome on Linux", as far as a browser tells; another program by what it says of itself. */
export function programName(userAgent: string | null): string {
  if (userAgent === null || userAgent === "") return t.settings.sessions.unknown;
  const find = (table: [RegExp, string][]) => table.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = find(BROWSERS);
  const system = find(SYSTEMS);
  return browser !== undefined && system !== undefined ? t.settings.sessions.browser(browser, system) : (userAgent.split(" ")[0] ?? userAgent);
}
