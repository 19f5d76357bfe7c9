/**
 * A worker: it joins, asks for work, holds it under a lease, answers, and comes back when it has lost its connection.
 * It is not to be relied on: it is slow, falls silent, fails, gives back, and answers when it is too late.
 */
import type { Command, CommandBody, CommandOf } from '../../../src/core/command.ts';
import { answerTo, faultyAnswerTo, someUsage, type Answer } from './answers.ts';
import { agentTypes, anAgent, once } from './asks.ts';
import type { Chance } from './chance.ts';
import { files } from './files.ts';
import { Link } from './network.ts';
import { Process } from './process.ts';
import { capabilities } from './tasks.ts';
import type { World } from './world.ts';

/** Joined, on a connection that stands. */
interface Session {
  readonly link: Link;
  readonly actor: { readonly agentId: string; readonly joins: number };
}

/** A command of an agent, without the part that says which. */
type Own =
  | (CommandBody extends infer C ? (C extends { readonly actor: unknown } ? Omit<C, 'actor'> : never) : never)
  | Omit<CommandOf<'agent_message'>, 'from'>;

/** It has nothing more to do here. */
class Gone extends Error {}

const waitMs = 2_000;

/** How it carries a piece of work out, until the faults stop. */
const manners = ['done', 'done', 'done', 'done', 'failed', 'given back', 'at the last moment', 'too late', 'silent'];

export class Worker {
  readonly process: Process;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #able: boolean;
  readonly #type: string;
  #token: string | null;
  #session: Promise<Session> | null = null;
  #link: Link | null = null;
  #cursor = 0;
  /** Until then it asks for nothing that would renew its leases. */
  #silentUntil = 0;
  /** It is to finish what it holds, and asks for no more. */
  #draining = false;

  /** `able`: it can do everything that is asked of an agent of this type, and does. */
  constructor(name: string, world: World, token: string | null, able: string | null = null) {
    this.#world = world;
    this.#chance = world.chance.fork(name);
    this.#token = token;
    this.#able = able !== null;
    this.#type = able ?? this.#chance.pick(agentTypes);
    this.process = new Process(name, world.timeline, this.#chance.fork('clock'));
  }

  start(): void {
    const lanes = this.#able ? 3 : this.#chance.between(1, 2);
    const all = [...Array.from({ length: lanes }, () => this.#work()), this.#readMessages(), this.#sendMessages()];
    Promise.all(all).catch((error: unknown) => {
      if (!(error instanceof Gone)) this.#world.timeline.fail(error);
      this.kill();
    });
  }

  kill(): void {
    this.process.kill();
    this.#link?.cut();
  }

  cut(): void {
    this.#link?.cut();
  }

  async #work(): Promise<never> {
    for (;;) {
      // Until it is told that it is over.
      if (this.#draining) await this.process.sleep(1000);
      const reply = await this.#ask({ type: 'task_next' }, waitMs);
      if (reply.refused !== undefined || reply.assignment === null)
        await this.process.sleep(this.#chance.between(1, 50));
      else await this.#carryOut(reply.assignment);
    }
  }

  async #carryOut(claim: any): Promise<void> {
    const { assignmentId, leaseToken } = claim;
    const of = { assignmentId, leaseToken };
    const manner = this.#able || this.#world.isOver ? 'done' : this.#chance.pick(manners);
    const completing = (answer: Answer): Own =>
      Object.assign({ type: 'task_complete' as const, ...of, vote: undefined, usage: this.#usage() }, answer);
    const done = completing(answerTo(claim, this.#chance, this.#able));
    switch (manner) {
      case 'done': {
        await this.#reserve(of);
        await this.#askPerson(of);
        await this.#accompany(of);
        if (!(await this.#busy(claim))) return;
        const faulty = !this.#able && this.#chance.happens(0.4) ? faultyAnswerTo(claim, this.#chance) : null;
        if (faulty !== null) await this.#ask(completing(faulty));
        await this.#ask(done);
        return;
      }
      case 'failed': {
        const retryable = this.#chance.happens(0.8);
        const usage = this.#usage();
        const failed = { reason: 'exit_code', message: null, details: null, retryable, usage } as const;
        if (await this.#busy(claim)) await this.#ask({ type: 'task_fail', ...of, ...failed });
        return;
      }
      case 'given back':
        await this.#ask({ type: 'task_release', ...of, reason: null });
        return;
      case 'at the last moment':
        // By the server's clock: a millisecond before, at, or after the end of the lease, which nothing else renews.
        this.#silentUntil = this.process.now() + this.#untilLeaseEnds(claim) + 20;
        await this.process.sleep(this.#untilLeaseEnds(claim) - this.#chance.between(1, 9));
        await this.#ask(done);
        return;
      case 'too late':
        // Meanwhile it goes on with other work.
        this.process.after(this.#untilLeaseEnds(claim) + this.#chance.between(0, 3000), () => {
          this.#ask(done).catch((error: unknown) => {
            if (!(error instanceof Gone)) this.#world.timeline.fail(error);
          });
        });
        return;
      default:
        await this.process.sleep(this.#chance.between(0, 6000));
    }
  }

  #untilLeaseEnds({ leaseExpiresAt }: any): number {
    const server = this.#link?.server.process;
    return Math.max(0, Date.parse(leaseExpiresAt) - (server?.now() ?? this.process.now()));
  }

  /** With a sign of life now and then. False: it is no longer its own. */
  async #busy({ assignmentId, leaseToken }: any): Promise<boolean> {
    const most = this.#able ? 50 : this.#chance.pick([50, 300, 2500]);
    for (let left = this.#chance.between(1, most); left > 0; left -= 800) {
      await this.process.sleep(Math.min(left, 800));
      if (left <= 800) break;
      const progress = this.#chance.below(3);
      const reply = await this.#ask({ type: 'task_update', assignmentId, leaseToken, progress, usage: this.#usage() });
      if (reply.refused !== undefined || reply.pending?.cancel.includes(assignmentId)) return false;
    }
    return true;
  }

  #usage(): CommandOf<'task_complete'>['usage'] {
    return this.#able ? null : someUsage(this.#chance);
  }

  /** Files for the claim, or for none in particular; what is not released ends by itself. */
  async #reserve(claim: { readonly assignmentId: string; readonly leaseToken: string }): Promise<void> {
    if (this.#able || !this.#chance.happens(0.15)) return;
    const reserving: Own = {
      type: 'file_reserve',
      claim: this.#chance.happens(0.7) ? claim : null,
      globs: [...new Set([this.#chance.pick(Object.keys(files)), this.#chance.pick(Object.keys(files))])],
      mode: this.#chance.pick(['exclusive', 'exclusive', 'shared']),
      ttlMs: this.#chance.pick([500, 10_000]),
      wait: this.#chance.happens(0.5),
    };
    const { reservationId = null } = await this.#ask(reserving, reserving.wait ? 1000 : 0);
    if (reservationId !== null && this.#chance.happens(0.5)) {
      const globs = this.#chance.happens(0.3) ? [reserving.globs[0]!] : null;
      await this.#ask({ type: 'file_release', reservationId: this.#chance.pick([null, reservationId]), globs });
    }
  }

  /** For the claim, or for the only one. It does not wait for ever, and asks again as if it had been away. */
  async #askPerson({ assignmentId }: { readonly assignmentId: string }): Promise<void> {
    if (this.#able || !this.#chance.happens(0.25)) return;
    const asking: Own = {
      type: 'approve',
      assignmentId: this.#chance.happens(0.7) ? assignmentId : null,
      tool: this.#chance.pick(['Bash', 'Write']),
      input: {},
      toolUseId: this.#chance.pick([null, `use ${this.#world.mint()}`]),
    };
    for (let times = this.#chance.between(1, 3); times > 0; times -= 1) {
      const { approvalId = null, behavior } = await this.#ask(asking);
      if (approvalId === null || behavior !== 'waiting') return;
      for (let waits = this.#chance.between(1, 4); waits > 0; waits -= 1) {
        const answer = await this.#ask({ type: 'approval_wait', approvalId }, 1000);
        if (answer.behavior !== 'waiting') break;
      }
    }
  }

  /** What its program does beside it, in its name: it may report, and neither take nor deliver. */
  async #accompany(claim: { readonly assignmentId: string; readonly leaseToken: string }): Promise<void> {
    if (this.#able || !this.#chance.happens(0.1)) return;
    const { link, actor } = await (this.#session ??= this.#join());
    const { swarmId } = this.#world;
    const companion = { actor: { agentId: actor.agentId, claim } };
    await link.ask(swarmId, { type: 'swarm_accompany', ...claim });
    await this.process.sleep(this.#chance.between(0, 2000));
    await link.ask(swarmId, { type: 'task_update', ...claim, ...companion, progress: 'by its program', usage: null });
    await link.ask(swarmId, { type: 'task_next', ...companion });
  }

  async #sendMessages(): Promise<never> {
    for (;;) {
      await this.process.sleep(this.#chance.between(3000, 30_000));
      if (this.#world.isOver) continue;
      await this.#ask({
        type: 'agent_message',
        to: this.#chance.happens(0.5) ? null : anAgent(this.#world, this.#chance),
        message: `message ${this.#world.mint()}`,
        replyTo: null,
        ttlMs: this.#chance.pick([null, 2000]),
      });
    }
  }

  async #readMessages(): Promise<never> {
    for (;;) {
      await this.process.sleep(this.#chance.between(500, 8000));
      const reply = await this.#ask({ type: 'message_next', after: this.#cursor, limit: 2 }, 500);
      if (reply.refused !== undefined) continue;
      this.#cursor = reply.cursor;
      if (this.#chance.happens(0.7)) await this.#ask({ type: 'message_ack', upTo: this.#cursor });
    }
  }

  /** Until there is an answer, with the same request id throughout. */
  async #ask(command: Own, waits = 0): Promise<any> {
    const silence = this.#silentUntil - this.process.now();
    if (silence > 0 && command.type !== 'task_complete') await this.process.sleep(silence);
    const keyed =
      isSafeToRepeat(command) && this.#chance.happens(0.7)
        ? command
        : once(this.#world, command as CommandBody).command;
    for (;;) {
      const { link, actor } = await (this.#session ??= this.#join());
      const acting = command.type === 'agent_message' ? { from: actor } : { actor };
      const answer = await link.ask(this.#world.swarmId, Object.assign({}, keyed, acting) as Command, waits);
      this.#draining ||= answer?.pending?.drain === true;
      if (answer === null && link.open && this.#chance.happens(0.7)) continue;
      if (command.type === 'agent_message' && ofReceiver.has(answer?.refused)) return answer;
      switch (answer?.refused) {
        case 'agent_closed':
        case 'swarm_destroyed':
          throw new Gone();
        case 'swarm_busy':
          await this.process.sleep(this.#chance.between(10, 200));
          continue;
        case 'agent_not_found':
        case 'swarm_not_found':
        case 'shutting_down':
        case 'journal_failed':
          await this.process.sleep(this.#chance.between(10, 200));
          break;
        case 'not_joined':
          break;
        default:
          if (answer !== null) return answer;
      }
      if (this.#link === link) {
        link.cut();
        this.#link = null;
        this.#session = null;
      }
    }
  }

  async #join(): Promise<Session> {
    const { command } = once(this.#world, {
      type: 'swarm_join',
      token: this.#token,
      name: null,
      agentType: this.#token === null ? this.#type : null,
      capabilities: this.#able ? capabilities : capabilities.filter(() => this.#chance.happens(0.7)),
      maxConcurrent: this.#able ? 3 : this.#chance.between(1, 2),
      leaseMs: null,
    });
    for (let attempt = 1; ; attempt += 1) {
      const link = new Link(this.#world, this.process, this.#chance.pick(this.#world.servers));
      this.#link = link;
      const answer = await link.ask(this.#world.swarmId, command);
      if (answer !== null && answer.refused === undefined) {
        const { agentId, joins, resumeToken } = answer;
        this.#token = resumeToken;
        if (!this.#world.agentIds.includes(agentId)) this.#world.agentIds.push(agentId);
        return { link, actor: { agentId, joins } };
      }
      if (answer?.refused === 'swarm_destroyed') throw new Gone();
      // Another coordinator may know more of it than this one.
      if (answer?.refused === 'join_token_invalid' && attempt > 10) throw new Gone();
      if (answer?.refused === 'swarm_not_found' && attempt > 50) throw new Gone();
      link.cut();
      await this.process.sleep(this.#chance.between(10, 500));
    }
  }
}

/** Asked twice it does no more than asked once. */
function isSafeToRepeat({ type }: Own): boolean {
  return type === 'task_update' || type === 'message_next' || type === 'message_ack' || type === 'approval_wait';
}

/** Whoever is written to may be gone. */
const ofReceiver: ReadonlySet<string | undefined> = new Set(['agent_not_found', 'agent_closed']);
