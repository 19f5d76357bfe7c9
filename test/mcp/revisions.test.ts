/** The official MCP clients against a real server, in each revision: all that they can ask of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors, tools, validate, version } from '../../src/spec.ts';
import { connectRaw, startServer } from '../server-process.ts';
import { call, legacyRevisions, modernMeta, ways } from './clients.ts';

const isModern = (revision: string): boolean => !legacyRevisions.includes(revision);

test('MCP clients of every revision', async (t) => {
  const server = await startServer(t);

  for (const { name, revision, connect } of ways) {
    await t.test(name, async (t) => {
      const { client } = await connect(t, server.port);
      assert.equal(client.getServerVersion()?.name, 'skein');
      assert.equal(client.getServerVersion()?.version, version);
      assert.deepEqual(client.getServerCapabilities(), {
        tools: { listChanged: false },
        prompts: { listChanged: false },
        resources: { subscribe: true, listChanged: true },
        ...(isModern(revision) && { extensions: { 'io.modelcontextprotocol/tasks': {} } }),
      });
      const instructions = client.getInstructions()!;
      assert.match(instructions, /task_next/);
      assert.ok(instructions.length < 2_000, `clients cut off instructions of ${instructions.length} characters`);
      if (!isModern(revision)) assert.deepEqual(await client.ping(), {});

      const listed = (await client.listTools()).tools;
      assert.deepEqual(listed.map((tool) => tool.name).sort(), [...tools.keys()].sort());
      for (const tool of listed) {
        const spec = tools.get(tool.name)!;
        assert.deepEqual(tool.inputSchema, spec.input);
        assert.deepEqual(tool.outputSchema, revision === '2024-11-05' ? undefined : spec.output);
        assert.deepEqual(tool.annotations, { title: spec.title, ...spec.annotations });
      }

      const called = await client.callTool({ name: 'swarm_init', arguments: { name, topology: 'star' } });
      const [content] = called.content as { type: string; text: string }[];
      const fields = JSON.parse(content!.text);
      assert.equal(validate(tools.get('swarm_init')!.output, fields), null);
      assert.equal(fields.topology, 'star');
      if (revision === '2024-11-05') {
        assert.equal(called.structuredContent, undefined);
        assert.equal((called as { swarmId?: unknown })['swarmId'], fields.swarmId);
      } else assert.deepEqual(called.structuredContent, fields);

      const refused = await client.callTool({ name: 'swarm_status', arguments: { swarmId: 'swarm_1_nowhere' } });
      assert.equal(refused.isError, true);
      assert.equal(refused.structuredContent, undefined);
      const [said] = refused.content as { text: string }[];
      assert.ok(said!.text.includes(errors.get('swarm_not_found')!.next!), said!.text);
      assert.match(said!.text, /"reason":"swarm_not_found","definite":true/);

      const misspelt = await client.callTool({ name: 'swarm_init', arguments: { topologi: 'star' } });
      assert.equal(misspelt.isError, true);
      assert.match((misspelt.content as { text: string }[])[0]!.text, /did you mean topology\?/);
      await assert.rejects(client.callTool({ name: 'swarm_inti' }), {
        code: -32602,
        message: /did you mean swarm_init/,
      });

      const { prompts } = await client.listPrompts();
      assert.deepEqual(
        prompts.map((prompt) => prompt.name),
        ['worker', 'orchestrate'],
      );
      const prompt = await client.getPrompt({ name: 'orchestrate', arguments: { goal: 'peace' } });
      assert.match((prompt.messages[0]!.content as { text: string }).text, /task_orchestrate[^]*\ngoal: peace$/);
      await assert.rejects(client.getPrompt({ name: 'orchestrate' }), { code: -32602, message: /goal is missing/ });
      await assert.rejects(client.getPrompt({ name: 'nothing' }), { code: -32602, message: /worker, orchestrate/ });

      const { swarmId } = fields;
      const { resources } = await client.listResources();
      assert.ok(resources.some((resource) => resource.uri === `skein://${swarmId}/status` && resource.name === name));
      const { resourceTemplates } = await client.listResourceTemplates();
      assert.deepEqual(
        resourceTemplates.map((template) => template.name),
        ['swarm', 'event_log', 'task_queue', 'memory_bank'],
      );
      const read = async (path: string): Promise<any> => {
        const { contents } = await client.readResource({ uri: `skein://${swarmId}/${path}` });
        return JSON.parse((contents[0] as { text: string }).text);
      };
      assert.equal((await read('status')).name, name);
      const { taskId } = await call(client, 'task_orchestrate', { swarmId, task: 'to be looked at' });
      assert.equal((await read(`tasks/${taskId}`)).status, 'orchestrating');
      const log = await read('events');
      assert.deepEqual([log.swarmId, log.events.at(-1).version], [swarmId, log.version]);
      assert.deepEqual((await read('events?from=0')).events[0].type, 'swarm_created');
      assert.deepEqual((await read(`events?from=${log.version - 1}`)).events, log.events.slice(-1));
      assert.deepEqual((await read(`events?from=${log.version}`)).events, []);
      for (const [path, at] of [
        ['memory/plain', { key: 'plain' }],
        ['memory/a%2Fb%20%3F%23%C3%BC', { key: 'a/b ?#ü' }],
        ['memory/k?namespace=a%26b', { key: 'k', namespace: 'a&b' }],
      ] as const) {
        await assert.rejects(read(path), { code: -32602 });
        await call(client, 'memory_store', { swarmId, ...at, value: path });
        assert.equal((await read(path)).value, path);
      }
      for (const path of [
        '',
        'nothing',
        'tasks',
        'tasks/',
        'tasks/task_1_x',
        'memory/%ff',
        'memory/k?x=1',
        'status/x',
        'events/1',
        'events?from=-1',
        'events?from=1e3',
        `tasks/${taskId}?x`,
      ]) {
        await assert.rejects(read(path), { code: -32602 }, path);
      }
      await assert.rejects(client.readResource({ uri: 'skein://swarm_1_x/status' }), { code: -32602 });
      await client.close();
    });
  }

  await t.test('initialize agrees on the revision that is asked for, and else on the newest', async (t) => {
    for (const asked of [...legacyRevisions, '2024-10-07', '2099-01-01', '2026-07-28']) {
      const connection = await connectRaw(t, server.port);
      const params = { protocolVersion: asked, capabilities: {}, clientInfo: { name: 'test', version: '1' } };
      const { result } = await connection.request('initialize', params);
      assert.equal(result.protocolVersion, legacyRevisions.includes(asked) ? asked : '2025-11-25');
    }
  });

  await t.test('2026-07-28 needs no handshake, and says how long what it lists may be kept', async (t) => {
    const connection = await connectRaw(t, server.port);
    const listed = await connection.request('tools/list', modernMeta);
    const { resultType, ttlMs, cacheScope, _meta: meta } = listed.result;
    assert.deepEqual([resultType, cacheScope, ttlMs > 0], ['complete', 'public', true]);
    assert.equal(meta['io.modelcontextprotocol/serverInfo'].name, 'skein');

    const { result: discovered } = await connection.request('server/discover', modernMeta);
    assert.deepEqual(discovered.supportedVersions, ['2026-07-28']);
    assert.deepEqual([discovered.resultType, discovered.ttlMs > 0], ['complete', true]);
    assert.equal((await connection.request('ping', modernMeta)).error?.code, -32601);
  });

  await t.test('each request is looked at for its revision, not only the first', async (t) => {
    const connection = await connectRaw(t, server.port);
    const claiming = (revision: unknown) => ({
      _meta: { ...modernMeta._meta, 'io.modelcontextprotocol/protocolVersion': revision },
    });
    for (const revision of ['2099-01-01', '2026-07-28', '2099-01-01', '2025-11-25', 7]) {
      const reply = await connection.request('prompts/list', claiming(revision));
      if (revision === '2026-07-28') assert.equal(reply.result.prompts.length, 2);
      else {
        assert.equal(reply.error?.code, -32022);
        assert.deepEqual(reply.error?.data, { supported: ['2026-07-28'], requested: String(revision) });
      }
    }
    const { _meta: meta } = modernMeta;
    const { 'io.modelcontextprotocol/clientCapabilities': _, ...without } = meta;
    assert.equal((await connection.request('prompts/list', { _meta: without })).error?.code, -32602);
  });
});
