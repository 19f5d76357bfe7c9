/**
 * The data directory of the embedded store: held by one process, in a format that we know, and made for its user only.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { takeLock } from '../lock.ts';
import { LmdbStore } from './lmdb-store.ts';

export type { LmdbStore };

/** Of everything in the directory. It changes when an older skein could not read what a newer one writes. */
const formatVersion = '1';

/** Closing the store lets the next process in. The message of a rejection is for the person who starts the server. */
export async function openDataDir(path: string): Promise<LmdbStore> {
  try {
    const directory = resolve(path);
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    const release = await takeLock(directory);
    const store = await LmdbStore.open(join(directory, 'skein.mdb'), release).catch(afterwards(release));
    await checkFormat(store).catch(afterwards(() => store.close()));
    await syncNames(directory, made).catch(afterwards(() => store.close()));
    return store;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot use the data directory ${path}: ${reason}`, { cause: error });
  }
}

async function checkFormat(store: LmdbStore): Promise<void> {
  const about = store.texts('about');
  const found = about.get('format');
  if (found === undefined) await store.write('format', () => void about.put('format', formatVersion));
  else if (found !== formatVersion) {
    throw new Error(`its format is ${found}, this version of skein reads and writes format ${formatVersion}`);
  }
}

/** LMDB syncs its file, but not the names that lead to it; `made` is the topmost of the directories that are new. */
async function syncNames(directory: string, made: string | undefined): Promise<void> {
  const handle = await open(directory);
  await handle.sync().finally(() => handle.close());
  if (made && directory !== dirname(made)) await syncNames(dirname(directory), made);
}

function afterwards(cleanUp: () => Promise<void>): (error: unknown) => Promise<never> {
  return async (error) => {
    await cleanUp();
    throw error;
  };
}
