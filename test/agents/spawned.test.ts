/** Agents' command lines started by agent_spawn: what they answer and use arrives, and a run that was no success is none. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { killIfThere, processesMarked } from '../processes.ts';
import { connectRaw } from '../server-process.ts';
import { tokens } from './fake-model.ts';
import { orHangs, programs } from './programs.ts';
import { spawnAgent } from './spawn-agent.ts';

const turns = 3;
const usage = { inputTokens: turns * tokens.input, outputTokens: turns * tokens.output };
/** Who knows prices: Claude Code its own, opencode those of its configuration. */
const costsOf: Readonly<Record<string, (costUsd: number | null) => boolean>> = {
  claude: (costUsd) => costUsd !== null && costUsd > 0,
  codex: (costUsd) => costUsd === null,
  gemini: (costUsd) => costUsd === null,
  opencode: (costUsd) => Math.abs(costUsd! - (usage.inputTokens + 10 * usage.outputTokens) / 1e6) < 1e-9,
};

for (const program of programs) {
  describe(`${program.name} as an agent`, () => {
    test('reaches its swarm as its worker does, and its result, usage and cost arrive', orHangs, async (t) => {
      let listenerId = '';
      const there = await spawnAgent(t, program, ({ results }) => {
        if (results.length === 0) return { tool: 'memory_store', args: { key: 'seen', value: 'geese' } };
        if (results.length === 1) return { tool: 'agent_message', args: { agentId: listenerId, message: 'hello' } };
        return { text: '{"answer": 42}' };
      });
      const { raw, swarmId, agentId } = there;
      const listener = await connectRaw(t, there.port);
      listenerId = (await listener.call('swarm_join', { swarmId, capabilities: [] })).agentId;

      const { status, result, results } = await there.done('What is the answer?');
      assert.deepEqual([status, result], ['completed', { answer: 42 }], JSON.stringify(results));
      const { costUsd, ...used } = results[0].usage;
      assert.deepEqual([results[0].agentId, results[0].attempt, used], [agentId, 1, usage]);
      assert.ok(costsOf[program.template]!(costUsd), `costs ${costUsd}`);
      assert.equal((await raw.call('memory_retrieve', { swarmId, key: 'seen' })).value, 'geese');
      const { messages } = await listener.call('message_next', { waitSeconds: 0 });
      assert.deepEqual([messages.length, messages[0].from, messages[0].message], [1, agentId, 'hello']);
      await there.end();
    });

    test('killed in the middle it has failed, and the work is done again', orHangs, async (t) => {
      let answers = false;
      let isAsked = (): void => {};
      const asked = new Promise<void>((resolve) => (isAsked = resolve));
      const there = await spawnAgent(t, program, () => {
        if (answers) return { text: 'done' };
        isAsked();
        return new Promise(() => {});
      });
      const work = there.done('Think', { retryPolicy: 'fixed', retryDelay: 10, maxAttempts: 2 });
      await asked;
      answers = true;
      const running = processesMarked(`SKEIN_AGENT_ID=${there.agentId}`);
      const killed = processesMarked('SKEIN_ATTEMPT=1').filter((pid) => running.includes(pid));
      assert.ok(killed.length > 0);
      for (const pid of killed) killIfThere(pid);

      const { status, result, results, phases } = await work;
      assert.deepEqual([status, result], ['completed', 'done'], JSON.stringify(results));
      const [{ attempt, lastError }] = phases[0].assignments;
      assert.deepEqual([attempt, lastError.reason], [2, 'signal']);
      await there.end();
    });

    test('an error of its model is a failure, with what the model said', orHangs, async (t) => {
      const there = await spawnAgent(t, program, () => ({ error: 'the model is out of order' }));
      const { status, results } = await there.done('Think', { retryPolicy: 'none' });
      assert.deepEqual([status, results[0].error.reason], ['failed', 'agent_error']);
      assert.match(results[0].error.message, /the model is out of order/);
      await there.end();
    });
  });
}
