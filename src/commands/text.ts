/** Text of agents and users, as a terminal may show it: it may hold anything, and be of any length. */

/** Without anything that a terminal would obey, or by which it would show the rest in another order. */
export function harmless(line: string): string {
  return line.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g, ' ');
}

/** On one line, and harmless. */
export function printable(text: string): string {
  return harmless(text).replace(/\s+/g, ' ').trim();
}

export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
