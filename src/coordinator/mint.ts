/** What the coordinator mints: identifiers, secrets, chance. */
import { customAlphabet, nanoid } from 'nanoid';

const random = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 12);

export interface Mint {
  /** `kind_<ms>_<random>` */
  id(kind: string, now: number): string;
  /** 24 characters from 64: unguessable. */
  secret(): string;
  /** Uniform in [0, 1). */
  draw(): number;
}

export const systemMint: Mint = {
  id: (kind, now) => `${kind}_${now}_${random()}`,
  secret: () => nanoid(24),
  draw: Math.random,
};
