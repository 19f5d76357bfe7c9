/** A program that uses everything a client has, closes it, and has to end by itself. Started by pool.test.ts. */
import { connect } from '../../src/client/client.ts';

const skein = connect();
await skein.ping();
const { swarmId } = await skein.call('swarm_init');
const events = skein.subscribe(swarmId, { from: 0 });
await events.next();
const session = await skein.join({ swarmId });
session.next({ waitSeconds: 600 }).catch(() => {});
await Promise.all(Array.from({ length: 20 }, () => skein.call('swarm_status', { swarmId })));
await skein.close();
