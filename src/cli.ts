#!/usr/bin/env node
/** The command line. Each subcommand is a file of `commands/`; this one only knows their names. */
import { Command } from 'commander';
import { addServe } from './commands/serve.ts';
import { version } from './spec.ts';

const program = new Command('skein')
  .description('A coordination server for swarms of agents.')
  .version(version)
  .showHelpAfterError('(skein --help shows what there is)');

addServe(program);

await program.parseAsync();
