const charsMax = 64;

/** A client's own words, short enough to be repeated to it. */
export function excerpt(text: string): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}...`;
}
