/** Agents' command lines as MCP clients: their model takes part in a swarm, as a worker and as who submits. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { cli, connectRaw, startServer, temporaryFolder } from '../server-process.ts';
import { startModel, type Answer, type Conversation } from './fake-model.ts';
import { environmentOf, orHangs, programs, run, type Program } from './programs.ts';

/** The fields of a tool's result, round which agents put words of their own. */
const fieldsOf = (result: string): any => JSON.parse(result.slice(result.indexOf('{'), result.lastIndexOf('}') + 1));

/** Works for the swarm that the prompt names. */
function worker({ prompt, results }: Conversation): Answer {
  const swarmId = /swarm_\d+_\w+/.exec(prompt)![0];
  // Over HTTP some clients have no session, whose agent would be known by it.
  const token = prompt.includes('over http') && results.length > 0 && { token: fieldsOf(results[0]!).resumeToken };
  const { assignmentId, leaseToken, input } = results.length > 1 ? fieldsOf(results[1]!).assignment : {};
  const steps: readonly Answer[] = [
    { tool: 'swarm_join', args: { swarmId, name: 'reader', capabilities: ['read'] } },
    { tool: 'task_next', args: { waitSeconds: 45, ...token } },
    { tool: 'task_update', args: { assignmentId, leaseToken, progress: 'reading', ...token } },
    { tool: 'memory_store', args: { swarmId, key: 'seen', value: input } },
    { tool: 'task_complete', args: { assignmentId, leaseToken, result: { words: input }, ...token } },
    { text: 'I have delivered it.' },
  ];
  return steps[results.length]!;
}

/** Has the swarm that the prompt names do some work, and says what came out. */
function submitter({ prompt, results }: Conversation): Answer {
  const swarmId = /swarm_\d+_\w+/.exec(prompt)![0];
  if (results.length === 0) return { tool: 'task_orchestrate', args: { swarmId, task: 'Say a word' } };
  const { taskId } = fieldsOf(results[0]!);
  const { ended, result } = fieldsOf(results.at(-1)!);
  if (ended !== true) return { tool: 'task_wait', args: { swarmId, taskId, waitSeconds: 45 } };
  return { text: `The word is ${result}.` };
}

for (const program of programs) {
  for (const transport of ['stdio', 'http'] as const) {
    describe(`${program.name} as an MCP client over ${transport}`, () => {
      test('takes a task, tells of its progress, stores a value, delivers a result', orHangs, async (t) => {
        const { raw, swarmId, start } = await place(t, program, transport, 'worker');
        const task = { description: 'Read', input: ['a', 'b'], requiredCapabilities: ['read'] };
        const { taskId } = await raw.call('task_orchestrate', { swarmId, task });
        const { code, stderr } = await start(`Work for ${swarmId} over ${transport}.`);
        assert.equal(code, 0, stderr);
        const { status, result, results } = await raw.call('task_results', { swarmId, taskId });
        assert.deepEqual([status, result], ['completed', { words: ['a', 'b'] }]);
        assert.equal((await raw.call('agent_status', { agentId: results[0].agentId })).name, 'reader');
        assert.deepEqual((await raw.call('memory_retrieve', { swarmId, key: 'seen' })).value, ['a', 'b']);
      });

      test('submits a task to another, waits for it, and says its result', orHangs, async (t) => {
        const { raw, swarmId, start } = await place(t, program, transport, 'submitter');
        await raw.call('swarm_join', { swarmId });
        const work = raw
          .call('task_next', { waitSeconds: 600 })
          .then(({ assignment: { assignmentId, leaseToken } }) =>
            raw.call('task_complete', { assignmentId, leaseToken, result: 'goose' }),
          );
        const { code, stdout, stderr } = await start(`Ask ${swarmId}.`);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /The word is goose\./);
        await work;
      });
    });
  }
}

/** A server with a swarm, and the program, configured with it, with a model that plays the part. */
async function place(t: TestContext, program: Program, transport: 'stdio' | 'http', part: 'worker' | 'submitter') {
  const { port, httpPort } = await startServer(t, { env: { MCP_PROFILE: part } });
  const raw = await connectRaw(t, port);
  const { swarmId } = await raw.call('swarm_init');
  const home = await temporaryFolder();
  const env = await environmentOf(program, home, await startModel(t, part === 'worker' ? worker : submitter));
  const [command, ...args] = cli;
  const bridge = { command, args: [...args, 'bridge', '--port', String(port), '--profile', part] };
  const server = transport === 'stdio' ? bridge : { url: `http://127.0.0.1:${httpPort}/mcp` };
  await program.addServer(home, server, env);
  return { raw, swarmId, start: (prompt: string) => run(t, program, prompt, env) };
}
