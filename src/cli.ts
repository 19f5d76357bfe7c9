#!/usr/bin/env -S node --max-semi-space-size=64
/**
 * The command line. Each subcommand is a file of `commands/`; this one only knows their names.
 *
 * The first line lets V8's young generation grow: what a busy server has under way is garbage a moment later, and would
 * be copied again and again where it has less room.
 */
import { Command } from 'commander';
import { addApprove } from './commands/approve.ts';
import { addBridge } from './commands/bridge.ts';
import { addCall } from './commands/call.ts';
import { addPing } from './commands/ping.ts';
import { addRun } from './commands/run.ts';
import { addServe } from './commands/serve.ts';
import { addStatus } from './commands/status.ts';
import { addTask } from './commands/task.ts';
import { addWorker } from './commands/worker.ts';
import { version } from './spec.ts';

const program = new Command('skein')
  .description('A coordination server for swarms of agents.')
  .version(version)
  .showHelpAfterError('(skein --help shows what there is)');

addServe(program);
addWorker(program);
addRun(program);
addCall(program);
addStatus(program);
addTask(program);
addApprove(program);
addPing(program);
addBridge(program);

await program.parseAsync();
