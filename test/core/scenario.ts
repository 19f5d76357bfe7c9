/**
 * Scenarios as text. A scenario is a story in blocks, apart by blank lines:
 *
 *     # What it is about.
 *     COMMAND
 *     ----
 *     what happened: the events, then what was replied
 *
 * A command is a word, what it is about, and options (`parallelism=3`, `capabilities=[hash, sign]`, `result={"a": 1}`);
 * lines that are indented belong to the one above. `scenario-commands.ts` has the table of commands,
 * `scenario-text.ts` the rules by which things are shown.
 *
 * Requests that wait (`next alice wait`) are asked again when the core wakes them, as the coordinator does.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Actor, CommandBody, Companion } from '../../src/core/command.ts';
import type { Event } from '../../src/core/event.ts';
import type { Limits } from '../../src/core/limits.ts';
import { publish } from '../../src/core/publish.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import type { WakeKey } from '../../src/core/rule.ts';
import { snapshot } from '../../src/core/snapshot.ts';
import { assertRestores } from './invariants.ts';
import { commands } from './scenario-commands.ts';
import { isTime, parseDuration, relative, renderFields, shortenTimes } from './scenario-text.ts';
import { SwarmUnderTest } from './swarm-under-test.ts';

interface Block {
  /** Comments and commands. */
  readonly head: readonly string[];
  readonly line: number;
  readonly output: readonly string[];
}

/** The text of a scenario as it should be: the same commands, and what really happens. */
export function perform(text: string): string {
  const stage = new Stage();
  const performed = parse(text).map(({ head, line }) => {
    const statements = statementsOf(head);
    for (const [statement, ...parts] of statements) {
      try {
        const args = new Arguments(statement!);
        const run = commands[args.command];
        if (run === undefined) throw new Error(`no such command; there are ${Object.keys(commands).join(', ')}`);
        const more = parts.map((part) => new Arguments(part));
        run(stage, args, more);
        for (const used of [args, ...more]) used.assertAllUsed();
      } catch (error) {
        throw new Error(`block at line ${line}: ${statement}: ${(error as Error).message}`, { cause: error });
      }
    }
    const output = stage.takeOutput();
    return [...head, ...(statements.length === 0 ? [] : ['----', ...output])].join('\n');
  });
  stage.assertSound();
  return `${performed.join('\n\n')}\n`;
}

function parse(text: string): Block[] {
  let line = 1;
  return text
    .trimEnd()
    .split('\n\n')
    .map((block) => {
      const lines = block.split('\n');
      const at = line;
      line += lines.length + 1;
      const end = lines.indexOf('----');
      return {
        head: end === -1 ? lines : lines.slice(0, end),
        line: at,
        output: end === -1 ? [] : lines.slice(end + 1),
      };
    });
}

/** Each with the indented lines that belong to it. */
function statementsOf(head: readonly string[]): string[][] {
  const statements: string[][] = [];
  for (const line of head) {
    if (line.startsWith('#') || line === '') continue;
    if (line.startsWith('  ')) statements.at(-1)!.push(line.trim());
    else statements.push([line]);
  }
  return statements;
}

/** The blocks of which something else happens than is written: what is the same around it stays in sight. */
export function differences(written: string, performed: string): string {
  const now = parse(performed);
  return parse(written)
    .flatMap(({ head, line, output }, index) => {
      const { output: happens } = now[index]!;
      if (isDeepStrictEqual(output, happens)) return [];
      const most = Math.min(output.length, happens.length);
      let before = 0;
      while (before < most && output[before] === happens[before]) before += 1;
      let after = 0;
      while (after < most - before && output.at(-1 - after) === happens.at(-1 - after)) after += 1;
      const marked = (mark: string, lines: readonly string[]): string[] => lines.map((of) => `${mark} ${of}`);
      return [
        `at line ${line}:`,
        ...marked(' ', [...head, '----', ...output.slice(0, before)]),
        ...marked('-', output.slice(before, output.length - after)),
        ...marked('+', happens.slice(before, happens.length - after)),
        ...marked(' ', output.slice(output.length - after)),
      ];
    })
    .join('\n');
}

/** The words of a command line, each of which has to be asked for. */
export class Arguments {
  readonly command: string;
  /** Whether the request is willing to wait for something to answer with. */
  readonly waits: boolean;
  readonly #words: string[];
  readonly #options = new Map<string, string>();

  constructor(line: string) {
    const words = split(line);
    this.command = words[0]!;
    this.waits = words.includes('wait');
    this.#words = [];
    for (const word of words.slice(1)) {
      if (word === 'wait') continue;
      const option = /^([\w.]+)=(.*)$/s.exec(word);
      if (option === null) this.#words.push(word);
      else this.#options.set(option[1]!, option[2]!);
    }
  }

  /** The next bare word. */
  word(what: string): string {
    return this.optionalWord() ?? assert.fail(`say ${what}`);
  }

  optionalWord(): string | null {
    const word = this.#words.shift();
    return word === undefined ? null : String(valueOf(word));
  }

  /** The next word, as JSON where it is. */
  json(what: string): any {
    return this.optionalJson() ?? assert.fail(`say ${what}`);
  }

  optionalJson(): any {
    const word = this.#words.shift();
    return word === undefined ? undefined : valueOf(word);
  }

  flag(name: string): boolean {
    const at = this.#words.indexOf(name);
    if (at !== -1) this.#words.splice(at, 1);
    return at !== -1;
  }

  /** An option's value, as JSON where it is, and else as text; undefined when it is not there. */
  value(name: string): any {
    const text = this.#options.get(name);
    this.#options.delete(name);
    return text === undefined ? undefined : valueOf(text);
  }

  or<T>(name: string, otherwise: T): T {
    return this.value(name) ?? otherwise;
  }

  ms<T>(name: string, otherwise: T): number | T {
    const text = this.value(name);
    return text === undefined ? otherwise : parseDuration(text);
  }

  /** The options that nobody has asked for, such as those that are limits. */
  limits(): Partial<Limits> {
    const names = [...this.#options.keys()];
    return Object.fromEntries(names.map((name) => [name, /Ms$/.test(name) ? this.ms(name, 0) : this.value(name)]));
  }

  assertAllUsed(): void {
    const left = [...this.#words, ...this.#options.keys()];
    if (left.length > 0) throw new Error(`it does not understand ${left.join(', ')}`);
  }
}

/** At blanks that are in no quotes and no brackets. */
function split(line: string): string[] {
  const words = line.match(/(?:[^\s"[\]{}]|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{.*\})+/g);
  return words ?? [];
}

/** JSON; a list may have bare words; anything else is text. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const list = /^\[(.*)\]$/.exec(text);
    if (list === null) return text;
    return list[1] === '' ? [] : list[1]!.split(/,\s*/).map(valueOf);
  }
}

export interface Claim {
  readonly assignmentId: string;
  readonly leaseToken: string;
}

interface Waiting {
  readonly key: WakeKey;
  readonly who: string;
  readonly ask: () => void;
}

/** Tells what is worth telling of a reply; nothing, when the events have said it all. */
export type Tell = (reply: any) => readonly string[];

/** The swarm, the names that the story has for things, and what has happened since it was last asked. */
export class Stage {
  swarm = new SwarmUnderTest();
  readonly #names = new Map<string, string>();
  readonly #actors = new Map<string, Actor>();
  readonly #claims = new Map<string, Claim>();
  readonly #newestClaim = new Map<string, string>();
  #waiting: Waiting[] = [];
  #output: string[] = [];

  takeOutput(): string[] {
    const output = this.#output.length === 0 ? ['nothing happens'] : this.#output;
    this.#output = [];
    return output;
  }

  /** What happened replays, and survives a snapshot. */
  assertSound(): void {
    assertRestores(this.swarm.state);
    assert.equal(snapshot(this.swarm.replayed()), snapshot(this.swarm.state), 'replay is the live state');
  }

  // ---- names

  name(agentId: string, name: string): void {
    this.#names.set(agentId, name);
  }

  agentId(name: string): string {
    for (const [agentId, of] of this.#names) if (of === name) return agentId;
    return name;
  }

  joined(name: string, reply: { readonly agentId: string; readonly joins: number }): void {
    this.name(reply.agentId, name);
    this.#actors.set(name, { agentId: reply.agentId, joins: reply.joins });
  }

  accompanies(name: string, companion: Companion): void {
    this.#actors.set(name, companion);
    this.#newestClaim.set(
      name,
      [...this.#claims].find(([, claim]) => claim.leaseToken === companion.claim.leaseToken)![0],
    );
  }

  /** As the connection that joined last as it. */
  actor(name: string): Actor {
    return this.#actors.get(name) ?? assert.fail(`nobody has joined as ${name}`);
  }

  /** A claim's name: its assignment and the number of the attempt. */
  claimed(who: string, assignment: Claim & { readonly attempt: number }): string {
    const name = `${assignment.assignmentId}#${assignment.attempt}`;
    this.#claims.set(name, assignment);
    this.#newestClaim.set(who, name);
    return name;
  }

  /** The one named, else the newest of the agent. */
  claim(who: string, name: string | null): Claim {
    const known = name ?? this.#newestClaim.get(who) ?? assert.fail(`${who} has claimed nothing`);
    return this.#claims.get(known) ?? assert.fail(`there was no claim ${known}`);
  }

  // ---- acting

  /** Asks and tells. One who is willing to wait is asked for again when there may be something. */
  ask(body: CommandBody, args: Arguments, tell: Tell = () => [], who = ''): void {
    const requestId = args.value('requestId') as string | undefined;
    const command = requestId === undefined ? body : { ...body, requestId };
    const ask = (again: boolean): void => {
      const told = this.swarm.effects.length;
      const outcome = this.swarm.execute(command);
      if (isRefusal(outcome)) {
        this.say(`refused ${outcome.refused}: ${outcome.message}`);
        return;
      }
      const reply = JSON.parse(JSON.stringify(outcome.reply));
      const waitsOn = args.waits && outcome.idle !== null;
      const lines = waitsOn ? [`${who} waits`] : tell(reply);
      this.showEvents(outcome.events);
      if (!waitsOn || !again) for (const line of lines) this.say(line);
      if (waitsOn) this.#wait({ key: outcome.idle!, who, ask: () => ask(true) });
      this.wake(told);
    };
    ask(false);
  }

  #wait(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#refreshWaiting();
  }

  /** The core prefers agents that wait for work. */
  #refreshWaiting(): void {
    this.swarm.waiting.clear();
    for (const { key } of this.#waiting) if (key.startsWith('work:')) this.swarm.waiting.add(key.slice('work:'.length));
  }

  /** Asks for those that the effects since then have woken. */
  wake(effectsSeen: number): void {
    for (const effect of this.swarm.effects.slice(effectsSeen)) {
      if (effect.kind === 'start_worker') this.say(`its host starts ${effect.agentId}`);
      if (effect.kind === 'stop_worker') this.say(`its host stops ${effect.agentId}`);
      if (effect.kind === 'forget_swarm') this.say('the swarm is forgotten');
      if (effect.kind !== 'wake') continue;
      const woken = this.#waiting.filter(({ key }) => key === effect.key);
      for (const waiting of effect.key.startsWith('work:') ? woken.slice(0, 1) : woken) {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        this.#refreshWaiting();
        const from = this.#output.length;
        waiting.ask();
        const news = this.#output.splice(from).map((line) => `  ${line}`);
        if (news.length > 0) this.#output.push(`${waiting.who} is woken`, ...news);
      }
    }
  }

  /** Its connection is gone, and with it whatever it waited for. */
  disconnected(who: string): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.who !== who);
    this.#refreshWaiting();
  }

  /** Every timer that goes off on the way says when. */
  advance(ms: number): void {
    const { swarm } = this;
    const start = swarm.now;
    let [events, effects] = [swarm.events.length, swarm.effects.length];
    swarm.pass(ms, () => {
      const from = this.#output.length;
      this.showEvents(swarm.events.slice(events));
      this.wake(effects);
      [events, effects] = [swarm.events.length, swarm.effects.length];
      const news = this.#output.splice(from).map((line) => `  ${line}`);
      if (news.length > 0) this.#output.push(`${relative(swarm.now - start)}:`, ...news);
    });
  }

  // ---- telling

  say(line: string): void {
    const named = line.replace(/\bagent_\d+\b/g, (agentId) => this.#names.get(agentId) ?? agentId);
    this.#output.push(...shortenTimes(named, this.swarm.now).split('\n'));
  }

  fields(fields: object): string {
    return renderFields(fields as Record<string, unknown>, this.swarm.now);
  }

  /** As subscribers see them, less what a bare `swarm`, `join` or `task` says too. */
  showEvents(events: readonly Event[]): void {
    for (const event of events) {
      const { type, ...fields } = shown(event);
      const named = this.#names.get(String(fields['agentId']));
      const says = unusual(fields, plain.get(type) ?? {}, ([name, value]) => /Id$/.test(name) && value !== null);
      this.say(`${type} ${renderFields(named === says['name'] ? { ...says, name: null } : says, 0)}`.trimEnd());
    }
  }
}

/** Its times are relative to its own. */
function shown(event: Event): { readonly type: string; readonly [field: string]: unknown } {
  const { swarmId: _, version: __, at: ___, ...fields } = publish('swarm_1', 0, event);
  const relativeTo = ([name, value]: [string, unknown]) => [name, isTime(name, value) ? value - event.at : value];
  return { type: event.type, ...Object.fromEntries(Object.entries(fields).map(relativeTo)) };
}

/** The members that differ from the usual ones, or that are always said. */
function unusual(
  value: object,
  usual: object,
  always: (member: [string, unknown]) => boolean,
): Record<string, unknown> {
  const usually = new Map<string, unknown>(Object.entries(usual));
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      const before = usually.get(name);
      if (always([name, member])) return [[name, member]];
      if (isDeepStrictEqual(member, before)) return [];
      if (name === 'phases' && Array.isArray(member)) {
        return [[name, member.map((phase) => unusual(phase, (before as object[])[0]!, ([of]) => of === 'name'))]];
      }
      return [[name, isObject(member) && isObject(before) ? unusual(member, before, () => false) : member]];
    }),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The events of the plainest swarm there can be. */
const plain: ReadonlyMap<string, object> = (() => {
  const swarm = SwarmUnderTest.withSwarm();
  swarm.join();
  swarm.orchestrate();
  const compared = ['swarm_created', 'agent_spawned', 'agent_joined', 'task_accepted'];
  const usual = new Map<string, { readonly [field: string]: unknown }>();
  for (const event of swarm.events) if (compared.includes(event.type)) usual.set(event.type, shown(event));
  const phases = usual.get('task_accepted')!['phases'] as readonly object[];
  return usual.set('task_planned', { phases }).set('planning_reopened', { planner: phases[0] });
})();
