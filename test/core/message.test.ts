import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Event } from '../../src/core/event.ts';
import { SwarmUnderTest } from './swarm-under-test.ts';

describe('a message', () => {
  test('stays in the inbox until it is acknowledged, in order', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [a, b] = [swarm.join(), swarm.join()];
    const send = (message: string) =>
      swarm.ask({ type: 'agent_message', from: a.actor, to: b.agentId, message, replyTo: null, ttlMs: null });
    const read = (after = 0) => swarm.ask({ type: 'message_next', actor: b.actor, after, limit: 10 });
    send('1');
    send('2');
    assert.equal(swarm.ask({ type: 'task_next', actor: b.actor }).pending.messages, 2);
    assert.deepEqual(
      read().messages.map((of: any) => [of.message, of.from]),
      [
        ['1', a.agentId],
        ['2', a.agentId],
      ],
    );
    assert.deepEqual(
      read(1).messages.map((of: any) => of.message),
      ['2'],
    );
    assert.equal(swarm.ask({ type: 'message_ack', actor: b.actor, upTo: 1 }).acknowledged, 1);
    send('3');
    assert.deepEqual(
      read().messages.map((of: any) => of.message),
      ['2', '3'],
    );
  });

  test('is read with as many others as fit into a reply, and with none if it is that large', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [a, b] = [swarm.join(), swarm.join()];
    swarm.keep = (json) => ({ blob: String(json), bytes: Number(json) });
    for (const bytes of [3_000_000, 1_000_000, 1_000_000, 9_000_000, 10]) swarm.ask(a.sending(b.agentId, bytes));
    const read = (after: number): number[] =>
      swarm.ask({ type: 'message_next', actor: b.actor, after, limit: 10 }).messages.map(({ seq }: any) => seq);
    assert.deepEqual([read(0), read(2), read(3), read(4)], [[1, 2], [3], [4], [5]]);
  });

  test('a full inbox, a closed receiver and an unknown one are refused', () => {
    const swarm = SwarmUnderTest.withSwarm({ limits: { inboxMessagesMax: 1 } });
    const worker = swarm.join();
    const send = (to: string) =>
      ({ type: 'agent_message', from: null, to, message: 1, replyTo: null, ttlMs: null }) as const;
    swarm.ask(send(worker.agentId));
    assert.equal(swarm.refusal(send(worker.agentId)).refused, 'inbox_full');
    assert.equal(swarm.refusal(send('agent_x')).refused, 'agent_not_found');
    swarm.ask({ type: 'swarm_leave', actor: worker.actor, reason: null });
    assert.equal(swarm.refusal(send(worker.agentId)).refused, 'agent_closed');
  });
});

const blobsDropped = (events: readonly Event[]): string[] =>
  events.flatMap((event) => ('blobs' in event ? event.blobs : []));

describe('a broadcast', () => {
  test('is one message in the inbox of everyone else, and everyone acknowledges it alone', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [a, b, c] = [swarm.join(), swarm.join(), swarm.join()];
    b.send(a.agentId, 'before');
    const { messageId, receivers, pending } = a.send(null, 'to all');
    assert.deepEqual(receivers, [
      { agentId: b.agentId, seq: 1, hops: 1 },
      { agentId: c.agentId, seq: 1, hops: 1 },
    ]);
    assert.equal(pending.messages, 1);
    assert.equal(swarm.types().at(-1), 'message_broadcast');
    for (const worker of [b, c])
      assert.deepEqual(
        worker.read().map((of) => of.messageId),
        [messageId],
      );
    swarm.ask({ type: 'message_ack', actor: b.actor, upTo: 1 });
    assert.deepEqual([b.read().length, c.read().length, a.read().length], [0, 1, 1]);
  });

  test('is for all or for none: a full inbox refuses it and is named', () => {
    const swarm = SwarmUnderTest.withSwarm({ limits: { inboxMessagesMax: 1 } });
    const [a, b, c] = [swarm.join(), swarm.join(), swarm.join()];
    a.send(c.agentId, 'full now');
    const refusal = swarm.refusal(a.sending(null, 'to all'));
    assert.deepEqual([refusal.refused, refusal.data?.['agentId']], ['inbox_full', c.agentId]);
    assert.equal(b.read().length, 0);
  });

  test('to nobody is refused', () => {
    const swarm = SwarmUnderTest.withSwarm();
    assert.equal(swarm.refusal(swarm.join().sending(null, 'anyone?')).refused, 'agent_not_found');
  });

  test("that is large is kept once, until the last inbox has let go of it: acknowledged, expired or the agent's", () => {
    const swarm = SwarmUnderTest.withSwarm({ limits: { agentRetentionMs: 1000 } });
    const [a, b, c, d, e] = [swarm.join(), swarm.join(), swarm.join(), swarm.join(), swarm.join()];
    swarm.keep = () => ({ blob: 'large', bytes: 100_000 });
    a.send(null, 'large', 5000);
    swarm.ask({ type: 'agent_stop', agentId: d.agentId, reason: null });
    swarm.ask({ type: 'agent_stop', agentId: e.agentId, reason: null });
    swarm.pass(1000);
    swarm.ask({ type: 'message_ack', actor: b.actor, upTo: 1 });
    assert.deepEqual(blobsDropped(swarm.events), []);
    swarm.pass(4000);
    assert.equal(c.read().length, 0);
    assert.deepEqual(blobsDropped(swarm.events), ['large']);
  });
});

describe('a message with a ttl', () => {
  test('is dropped at its time by one event, and the timer goes on to the next', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [a, b] = [swarm.join(), swarm.join()];
    a.send(b.agentId, 'long', 3000);
    a.send(b.agentId, 'short', 1000);
    a.send(b.agentId, 'short, too', 1000);
    a.send(b.agentId, 'for ever');
    swarm.pass(999);
    assert.equal(b.read().length, 4);
    swarm.pass(1);
    assert.deepEqual(
      b.read().map((of) => of.message),
      ['long', 'for ever'],
    );
    swarm.pass(2000);
    assert.deepEqual(
      b.read().map((of) => of.message),
      ['for ever'],
    );
    assert.equal(swarm.types().filter((type) => type === 'messages_expired').length, 2);
  });

  test('is not given out after its time, even when the timer is late', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [a, b] = [swarm.join(), swarm.join()];
    const { expiresAt } = a.send(b.agentId, 'short', 1000);
    assert.equal(Date.parse(expiresAt), swarm.now + 1000);
    swarm.now += 1000;
    assert.equal(b.read().length, 0);
  });

  test('has no timer left once it was acknowledged, or its receiver is over', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [a, b] = [swarm.join(), swarm.join()];
    a.send(b.agentId, 'x', 1000);
    assert.equal(swarm.state.indexes.timerOf.size, 1);
    swarm.ask({ type: 'message_ack', actor: b.actor, upTo: 1 });
    assert.equal(swarm.state.indexes.timerOf.size, 0);
    a.send(b.agentId, 'y', 1000);
    swarm.ask({ type: 'agent_stop', agentId: b.agentId, reason: null });
    assert.deepEqual([...swarm.state.indexes.timerOf.keys()], ['closed_agents']);
  });
});

test('sending as an agent is a sign of life', () => {
  const swarm = SwarmUnderTest.withSwarm();
  const [a, b] = [swarm.join(), swarm.join()];
  swarm.orchestrate();
  const claim = a.next();
  swarm.pass(50_000);
  a.send(b.agentId, 'still at it');
  swarm.pass(50_000);
  a.complete(claim, 1);
});
