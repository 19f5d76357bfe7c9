/** Topologies over real TCP, with real workers, of which some are killed in the middle of their work. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { cli, connectRaw, startServer, temporaryFolder, type RawConnection } from '../server-process.ts';
import { noneLeft } from './processes.ts';

/** Both copy their input, the held one not before the test says so; neither outlives the test's folder. */
const agentTypes = (folder: string): string => `agentTypes:
  coordinator: &held
    argv: [/bin/sh, -c, 'while [ -d "${folder}" ] && ! [ -e "${folder}/go" ]; do sleep 0.05; done; exec cat']
    stdin: input
    capabilities: [copy]
  held: *held
  relay:
    argv: [/bin/sh, -c, 'cat; echo " $SKEIN_AGENT_ID"']
    stdin: input
    capabilities: [copy]`;

class Place {
  readonly swarmId: string;
  readonly raw: RawConnection;
  readonly #t: TestContext;
  readonly #port: number;
  readonly #folder: string;
  readonly #follower: RawConnection;
  #workers = 0;

  private constructor(
    t: TestContext,
    at: { port: number; folder: string; swarmId: string },
    connections: RawConnection[],
  ) {
    this.#t = t;
    this.#port = at.port;
    this.#folder = at.folder;
    this.swarmId = at.swarmId;
    this.raw = connections[0]!;
    this.#follower = connections[1]!;
  }

  static async with(t: TestContext, topology: string): Promise<Place> {
    const folder = await temporaryFolder();
    const config = join(folder, 'skein.yaml');
    await writeFile(config, agentTypes(folder));
    const { port } = await startServer(t, { env: { MCP_CONFIG: config, MCP_GRACE: '1' } });
    const [raw, follower] = [await connectRaw(t, port), await connectRaw(t, port)];
    const { swarmId } = await raw.call('swarm_init', { topology });
    await follower.request('subscribe', { swarmId });
    return new Place(t, { port, folder, swarmId }, [raw, follower]);
  }

  /** An agent that is a connection of the test's own. */
  async join(args: object = {}): Promise<Member> {
    const raw = await connectRaw(this.#t, this.#port);
    const { agentId } = await raw.call('swarm_join', { swarmId: this.swarmId, ...args });
    return { raw, agentId };
  }

  /** An agent that is a `skein worker`; `kill` kills it with no chance to say so. */
  async worker(type: string): Promise<{ agentId: string; kill(): void }> {
    const [program, ...args] = cli;
    const name = `worker ${++this.#workers}`;
    const flags = ['--type', type, '--name', name, '--swarm', this.swarmId, '--port', String(this.#port)];
    const child = spawn(program!, [...args, 'worker', ...flags, '--config', join(this.#folder, 'skein.yaml')], {
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    this.#t.after(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    const { agentId } = await this.event('agent_joined', (event) => event.name === name);
    return { agentId, kill: () => void child.kill('SIGKILL') };
  }

  /** Reads on until there is an event of the type that is wanted. */
  async event(type: string, wanted: (event: any) => boolean = () => true): Promise<any> {
    for (;;) {
      const { event } = (await this.#follower.message()).params;
      if (event.type === type && wanted(event)) return event;
    }
  }

  /** Lets those that are held go on. */
  async go(): Promise<void> {
    await writeFile(join(this.#folder, 'go'), '');
  }

  async ended(taskId: string): Promise<any> {
    for (;;) {
      const seen = await this.raw.call('task_wait', { swarmId: this.swarmId, taskId, waitSeconds: 60 });
      if (seen.ended) return seen;
    }
  }

  async members(): Promise<any> {
    return this.raw.call('swarm_status', { swarmId: this.swarmId, include_topology: true });
  }
}

interface Member {
  readonly raw: RawConnection;
  readonly agentId: string;
}

const write = ({ raw }: Member, to: { readonly agentId: string }, message: unknown): Promise<any> =>
  raw.call('agent_message', { agentId: to.agentId, message });

const broadcast = ({ raw }: Member, message: unknown): Promise<any> =>
  raw.call('agent_message', { broadcast: true, message });

async function inbox({ raw }: Member): Promise<unknown[]> {
  const { messages } = await raw.call('message_next', { waitSeconds: 0 });
  return messages.map((of: any) => of.message);
}

const forbidden = (rule: RegExp, reachable: readonly { readonly agentId: string }[]) => (error: any) => {
  assert.deepEqual([error.code, error.data.reason], [-32001, 'topology_forbids']);
  assert.match(error.message, rule);
  assert.deepEqual(
    error.data.reachable,
    reachable.map(({ agentId }) => agentId),
  );
  return true;
};

const submit = (by: RawConnection, swarmId: string, phases: object[] = []): Promise<any> =>
  by.call('task_orchestrate', {
    swarmId,
    task: {
      description: 'Copy it',
      input: 'x',
      requiredCapabilities: ['copy'],
      ...(phases.length > 0 && { phases }),
    },
    execution: { retryPolicy: 'fixed', retryDelay: 10 },
  });

describe('a mesh', () => {
  test('lets anyone message anyone and submit tasks, which any worker does', async (t) => {
    const place = await Place.with(t, 'mesh');
    const worker = await place.worker('relay');
    const [a, b] = [await place.join(), await place.join()];
    await write(a, b, 'hello');
    assert.deepEqual(
      (await broadcast(b, 'to all')).receivers.map((of: any) => [of.agentId, of.hops]),
      [
        [worker.agentId, 1],
        [a.agentId, 1],
      ],
    );
    assert.deepEqual(await inbox(b), ['hello']);
    const { taskId } = await submit(b.raw, place.swarmId);
    assert.equal((await place.ended(taskId)).result, `x ${worker.agentId}`);
  });
});

describe('a star', () => {
  test('whose hub is killed in the middle of a task has another, and the task ends', async (t) => {
    const place = await Place.with(t, 'star');
    const hub = await place.worker('coordinator');
    const others = [await place.worker('held'), await place.worker('coordinator')];
    const spoke = await place.join();
    const { taskId } = await submit(place.raw, place.swarmId, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    const claimants = [];
    for (let i = 0; i < 3; i += 1) claimants.push((await place.event('assignment_claimed')).agentId);
    assert.deepEqual(claimants.sort(), [hub, ...others].map(({ agentId }) => agentId).sort());
    await write(spoke, hub, 'how is it going?');
    await assert.rejects(write(spoke, others[1]!, 'psst'), forbidden(/in a star, spokes message only the hub/, [hub]));
    await assert.rejects(submit(spoke.raw, place.swarmId), forbidden(/in a star, only the hub does/, [hub]));

    hub.kill();
    const elected = await place.event('hub_elected');
    assert.equal(elected.agentId, others[1]!.agentId, 'the coordinator comes before an older agent');
    assert.match(elected.reason, new RegExp(`^hub ${hub.agentId} failed: `));
    await write(spoke, others[1]!, 'and now?');
    await assert.rejects(write(spoke, hub, 'hello?'), /failed/);
    await assert.rejects(submit(spoke.raw, place.swarmId), forbidden(/only the hub does/, [others[1]!]));

    await place.go();
    const { status, results } = await place.ended(taskId);
    assert.equal(status, 'completed');
    const authors = results.filter((of: any) => of.status === 'succeeded').map((of: any) => of.agentId);
    assert.equal(authors.length, 3);
    assert.ok(authors.every((agentId: string) => others.some((other) => other.agentId === agentId)));
    await noneLeft([hub.agentId]);
  });

  test('has its hub submit tasks and validate', async (t) => {
    const place = await Place.with(t, 'star');
    const hub = await place.join();
    const worker = await place.worker('relay');
    const { taskId } = await submit(hub.raw, place.swarmId);
    assert.equal((await place.ended(taskId)).result, `x ${worker.agentId}`);
    const { hub: shown, members } = await place.members();
    assert.equal(shown, hub.agentId);
    assert.deepEqual(members[1], { agentId: worker.agentId, peers: [hub.agentId], validators: [hub.agentId] });
  });
});

describe('a hierarchy', () => {
  test('whose parent is lost in the middle of a task has its children adopted, and the task ends', async (t) => {
    const place = await Place.with(t, 'hierarchical');
    const { swarmId, raw } = place;
    const root = await place.join();
    const parent = await place.join({ capabilities: ['copy'] });
    const { taskId } = await submit(root.raw, swarmId);
    const { assignment } = await parent.raw.call('task_next', { waitSeconds: 30 });
    assert.equal(assignment.taskId, taskId);
    const child = await place.join({ parent: parent.agentId });
    const { agentId } = await raw.call('agent_spawn', { swarmId, agentType: 'relay', parent: parent.agentId });
    const aunt = await place.join();
    const rule = /in a hierarchy, agents message only their parent, children and siblings/;
    await assert.rejects(write(child, aunt, 'hello?'), forbidden(rule, [parent, { agentId }]));
    await write(child, parent, 'I am here');
    await write(child, { agentId }, 'so am I');
    await assert.rejects(submit(child.raw, swarmId), forbidden(/only parents and the root do/, [parent]));

    parent.raw.socket.destroy();
    const adopted = await place.event('agents_adopted');
    assert.deepEqual([adopted.agentIds, adopted.parentId], [[child.agentId, agentId], root.agentId]);
    await write(child, aunt, 'sister!');
    assert.equal((await place.ended(taskId)).result, `x ${agentId}`);
    const { members } = await place.members();
    const { peers, ...shown } = members.find((of: any) => of.agentId === agentId);
    assert.deepEqual(peers.sort(), [root, child, aunt].map((of) => of.agentId).sort());
    assert.deepEqual(shown, { agentId, validators: [root.agentId], parent: root.agentId });
    await raw.call('swarm_destroy', { swarmId });
    await noneLeft([agentId]);
  });
});

describe('a ring', () => {
  test('of four lets each message the next one only, and a broadcast reach everyone once', async (t) => {
    const place = await Place.with(t, 'ring');
    const ring: Member[] = [];
    for (let i = 0; i < 4; i += 1) ring.push(await place.join());
    const [a, b, c, d] = ring as [Member, Member, Member, Member];
    await write(d, a, 'closing it');
    await assert.rejects(write(a, c, 'over one'), forbidden(/in a ring, agents message only the next one/, [b]));
    const { receivers } = await broadcast(b, 'to all');
    assert.deepEqual(
      receivers.map((of: any) => [of.agentId, of.hops]),
      [
        [c.agentId, 1],
        [d.agentId, 2],
        [a.agentId, 3],
      ],
    );
    assert.deepEqual(await Promise.all(ring.map(inbox)), [['closing it', 'to all'], [], ['to all'], ['to all']]);
  });

  test('has each go on with what the one before it made', async (t) => {
    const place = await Place.with(t, 'ring');
    const workers = [await place.worker('relay'), await place.worker('relay'), await place.worker('relay')];
    const names = ['a', 'b', 'c', 'd', 'e'];
    const { taskId } = await submit(
      place.raw,
      place.swarmId,
      names.map((name, index) => ({ name, dependencies: index === 0 ? [] : [names[index - 1]] })),
    );
    const { results } = await place.ended(taskId);
    const order = results.map((of: any) => workers.findIndex(({ agentId }) => agentId === of.agentId));
    assert.deepEqual(
      order,
      names.map((_, index) => (order[0] + index) % 3),
    );
  });
});
