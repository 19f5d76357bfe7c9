/**
 * Settings of the protocol that this version does not have yet. They are refused: nothing is accepted and ignored.
 */
import { refuse, type Refusal } from '../core/refusal.ts';

const available = {
  strategy: ['parallel', 'adaptive'],
  resultAggregation: ['all', 'first', 'majority_vote'],
  votingMechanism: ['equal'],
  conflictResolution: ['fail'],
} as const;

type Setting = keyof typeof available;

/** The value, unless this version does not have it. */
export function supported<S extends Setting>(
  setting: S,
  value: string | undefined,
): (typeof available)[S][number] | null {
  if (value === undefined) return null;
  if (!(available[setting] as readonly string[]).includes(value)) throw new UnsupportedSetting(setting, value);
  return value as (typeof available)[S][number];
}

/** Thrown deep inside a translation of arguments, and turned into a refusal where that began. */
class UnsupportedSetting extends Error {
  readonly refusal: Refusal;

  constructor(setting: Setting, value: string) {
    const message = `${setting} ${value} is not part of this version: it has ${available[setting].join(', ')}`;
    super(message);
    this.refusal = refuse('unsupported_setting', message, { setting, value, available: available[setting] });
  }
}

export function translated<T extends object>(translate: () => T): T | Refusal {
  try {
    return translate();
  } catch (error) {
    if (error instanceof UnsupportedSetting) return error.refusal;
    throw error;
  }
}
