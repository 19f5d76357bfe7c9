/** The work tree that agents share: globs of it, each with the files that it stands for. */
export const files: Readonly<Record<string, readonly string[]>> = {
  'src/**': ['src/a.ts', 'src/b.ts', 'src/deep/c.ts'],
  'src/*.ts': ['src/a.ts', 'src/b.ts'],
  'src/a.ts': ['src/a.ts'],
  '**/c.ts': ['src/deep/c.ts'],
  '*.md': ['README.md'],
  'README.*': ['README.md'],
};

export function haveFilesInCommon(one: readonly string[], other: readonly string[]): boolean {
  const named = new Set(one.flatMap((glob) => files[glob]!));
  return other.some((glob) => files[glob]!.some((file) => named.has(file)));
}
