/** Every conversation of protocol/transcripts, held with a real server over TCP. */
import { test } from 'node:test';
import { startServer } from '../server-process.ts';
import { replay, type Target } from './replay.ts';
import { loadTranscripts } from './transcript.ts';

test('transcripts', async (t) => {
  // One server for all that need no other: each of them has its own swarms.
  let server = await startServer(t);
  const shared: Target = {
    port: () => server.port,
    restart: async () => {
      server.kill('SIGKILL');
      await server.ended;
      server = await startServer(t, { dataDir: server.dataDir });
    },
  };
  const ownOf = async (...started: Parameters<typeof startServer>): Promise<Target> => {
    const { port } = await startServer(...started);
    return { port: () => port, restart: () => Promise.reject(new Error('a server with settings does not restart')) };
  };

  for (const transcript of loadTranscripts()) {
    await t.test(transcript.name, async (t) => {
      const { settings } = transcript;
      await replay(t, transcript, settings === null ? shared : await ownOf(t, { env: settings }));
    });
  }
});
