const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const MINUTES = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

export function bytes(value: number): string {
  let unit = 0;
  /* at most three digits: 1,000 KiB are 0.98 MiB */
  while ((unit ? value >= 999.5 : value >= 1000) && unit + 1 < UNITS.length) {
    value /= 1024;
    unit++;
  }
  return `${unit && value < 100 && value % 1 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit]}`;
}

export const rate = (value: number): string => `${bytes(value)}/s`;

export const count = (value: number): string => WHOLE.format(value);

export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

export function span(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${Math.floor(s / 60) % 60}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor(s / 3600) % 24}h`;
}

export function milliseconds(value: number | null): string {
  if (value === null) return "–";
  return `${value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)} ms`;
}

export const minutes = (time: Date): string => MINUTES.format(time);

export const clock = (time: Date): string => CLOCK.format(time);
