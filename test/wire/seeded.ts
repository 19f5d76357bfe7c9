/** Random numbers that can be had again: the seed comes from SKEIN_SEED, and a failing test prints the one it used. */
export function seeded(): { readonly seed: number; readonly below: (bound: number) => number } {
  const seed = Number(process.env['SKEIN_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  let state = seed | 0;
  // mulberry32
  const below = (bound: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
  return { seed, below };
}
