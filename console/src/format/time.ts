import { t } from "~/messages";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "45 s", "12 min", "1 h 05 min", "2 d 4 h". */
export function formatSpan(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return t.units.seconds(whole);
  if (whole < HOUR) return t.units.minutes(Math.floor(whole / MINUTE));
  const hours = Math.floor(whole / HOUR);
  if (whole < 2 * DAY) {
    return t.units.hoursMinutes(hours, String(Math.floor((whole % HOUR) / MINUTE)).padStart(2, "0"));
  }
  return t.units.daysHours(Math.floor(whole / DAY), Math.floor((whole % DAY) / HOUR));
}

const dateTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const withZone = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** "23 Nov 2026, 09:55", in the reader's own zone. */
export function formatDateTime(at: string): string {
  return dateTime.format(new Date(at));
}

/** With weekday, seconds and zone: what a hover shows. */
export function formatFull(at: string): string {
  return withZone.format(new Date(at));
}

/** "09:55:04". */
export function formatClock(at: string): string {
  return clock.format(new Date(at));
}

/** "23 Nov". */
export function formatDay(at: string): string {
  return day.format(new Date(at));
}

/** Relative within 24 h of now, on either side; the date beyond. */
export function formatMoment(at: string, now: number): string {
  const seconds = (now - new Date(at).getTime()) / 1000;
  if (Math.abs(seconds) >= DAY) return formatDateTime(at);
  if (Math.abs(seconds) < 5) return t.units.justNow;
  return seconds > 0 ? t.units.ago(formatSpan(seconds)) : t.units.in(formatSpan(-seconds));
}
