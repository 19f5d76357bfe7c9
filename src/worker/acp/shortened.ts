/** Of what an agent says, as much as is shown to people beside other things, on one line. */
const charsMax = 200;

export function shortened(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length > charsMax ? `${line.slice(0, charsMax)}...` : line;
}
