/**
 * How a scenario shows values, events and replies: one line each, only what matters, nothing that changes from run to
 * run. The rules:
 *
 * - What is empty is left out: null, 0, no text, and lists and objects without anything in them.
 * - Ids stand bare, without their field's name, and are never left out; a parent's is named. Secrets are left out.
 * - Times are relative to now (`+5s`), durations have their unit (`1m30s`).
 * - A list of objects goes on lines of its own, one each.
 */

type Fields = Readonly<Record<string, unknown>>;

export function renderFields(fields: Fields, now: number): string {
  const bare: string[] = [];
  const named: string[] = [];
  const lines: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (isEmpty(value)) continue;
    if (name === 'parentId') named.push(`parent=${String(value)}`);
    else if (/Id$/.test(name) && typeof value === 'string') bare.push(value);
    else if (isList(value)) for (const of of value) lines.push(`\n  ${name}: ${renderFields(of, now)}`);
    else named.push(`${name}=${renderValue(value, name, now)}`);
  }
  return [...bare, ...named].join(' ') + lines.join('');
}

function renderValue(value: unknown, name: string, now: number): string {
  if (isTime(name, value)) return relative(value - now);
  if (typeof value === 'number') {
    return /Ms$/.test(name) ? duration(value) : String(Math.round(value * 1000) / 1000);
  }
  if (typeof value === 'string') return /^[^\s"'[\]{}=,]+$/.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((of) => renderValue(of, name, now)).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const members = Object.entries(value).filter(([, of]) => !isEmpty(of));
  return `{${members.map(([key, of]) => `${key}=${renderValue(of, key, now)}`).join(', ')}}`;
}

export function isTime(name: string, value: unknown): value is number {
  return typeof value === 'number' && /(^until|At|Until)$/.test(name);
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isEmpty);
  return value === undefined || value === null || value === 0 || value === '';
}

function isList(value: unknown): value is Fields[] {
  return Array.isArray(value) && value.every((of) => typeof of === 'object' && of !== null && !Array.isArray(of));
}

const units = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

function duration(ms: number): string {
  let left = ms;
  let text = '';
  for (const [unit, length] of Object.entries(units)) {
    const count = Math.floor(left / length);
    if (count > 0) text += `${count}${unit}`;
    left -= count * length;
  }
  return text === '' ? '0s' : text;
}

export function relative(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${duration(Math.abs(ms))}`;
}

/** `1h`, `90s`, `50ms`, `1m30s`. */
export function parseDuration(text: string): number {
  if (!/^(\d+(h|ms|m|s))+$/.test(text)) throw new Error(`${text} is no duration: write it like 90s, 1h or 50ms`);
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(h|ms|m|s)/g))
    ms += Number(count) * units[unit as keyof typeof units];
  return ms;
}

/** Texts of the core name times in full. */
export function shortenTimes(text: string, now: number): string {
  return text.replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, (iso) => relative(Date.parse(iso) - now));
}
