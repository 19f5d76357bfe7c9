/**
 * What of the conformance suite fails, and why: scenarios, or single checks of them. `itself` fails against the server as it
 * is, because the suite calls for something of its own there; `always` fails with its fixtures, too.
 */

interface Expected {
  readonly [scenario: string]: string | { readonly why: string; readonly checks: readonly string[] };
}

const tool = 'calls a tool of the suite';
const asksBack = 'calls a tool of the suite that asks its client something: skein asks its clients nothing';
const prompt = 'gets a prompt of the suite';
const resource = 'names a resource of the suite';
const completion = 'skein has nothing to complete, and does not say that it had';
const logging = 'skein sends its clients no log, and does not say that it did';
const task =
  'of an extension that is not required: calls tools of the suite that are tasks, and its fixtures have none';

export const expected: Readonly<Record<string, { readonly itself: Expected; readonly always: Expected }>> = {
  '2025-11-25': {
    itself: {
      'completion-complete': completion,
      'elicitation-sep1034-defaults': asksBack,
      'elicitation-sep1330-enums': asksBack,
      'json-schema-2020-12': tool,
      'logging-set-level': logging,
      'prompts-get-embedded-resource': prompt,
      'prompts-get-simple': prompt,
      'prompts-get-with-args': prompt,
      'prompts-get-with-image': prompt,
      'resources-read-binary': resource,
      'resources-read-text': resource,
      'resources-subscribe': resource,
      'resources-templates-read': resource,
      'resources-unsubscribe': resource,
      'tools-call-audio': tool,
      'tools-call-elicitation': asksBack,
      'tools-call-embedded-resource': tool,
      'tools-call-error': tool,
      'tools-call-image': tool,
      'tools-call-mixed-content': tool,
      'tools-call-sampling': asksBack,
      'tools-call-simple-text': tool,
      'tools-call-with-logging': tool,
      'tools-call-with-progress': tool,
    },
    always: {},
  },
  '2026-07-28': {
    itself: {
      'completion-complete': completion,
      'input-required-result-basic-elicitation': asksBack,
      'input-required-result-basic-list-roots': asksBack,
      'input-required-result-basic-sampling': asksBack,
      'input-required-result-capability-check': asksBack,
      'input-required-result-multi-round': asksBack,
      'input-required-result-multiple-input-requests': asksBack,
      'input-required-result-non-tool-request': asksBack,
      'input-required-result-request-state': asksBack,
      'input-required-result-result-type': asksBack,
      'input-required-result-tampered-state': asksBack,
      'json-schema-2020-12': tool,
      'prompts-get-embedded-resource': prompt,
      'prompts-get-simple': prompt,
      'prompts-get-with-args': prompt,
      'prompts-get-with-image': prompt,
      'resources-read-binary': resource,
      'resources-read-text': resource,
      'resources-templates-read': resource,
      'server-stateless': {
        why: `of its 28 checks, these: ${tool}`,
        checks: [
          'sep-2575-http-server-no-independent-requests-on-stream',
          'sep-2575-missing-capability-http-400',
          'sep-2575-server-no-log-without-loglevel',
          'sep-2575-server-rejects-undeclared-capability',
        ],
      },
      'tools-call-audio': tool,
      'tools-call-embedded-resource': tool,
      'tools-call-error': tool,
      'tools-call-image': tool,
      'tools-call-mixed-content': tool,
      'tools-call-simple-text': tool,
      'tools-call-with-progress': tool,
    },
    always: {
      'http-custom-header-server-validation':
        'not required, and pending in the suite: calls a tool whose arguments are repeated in headers, and no tool of skein has such',
      'tasks-capability-negotiation': task,
      'tasks-dispatch-and-envelope': task,
      'tasks-lifecycle': task,
      'tasks-mrtr-composition': task,
      'tasks-mrtr-input': task,
      'tasks-request-headers': task,
      'tasks-request-state-removal': task,
      'tasks-required-task-error': task,
      'tasks-wire-fields': task,
    },
  },
};

/** The same as lists, to be compared with what failed. */
export function expectedFailures(...tables: readonly Expected[]): Record<string, readonly string[] | 'some checks'> {
  return Object.fromEntries(
    tables
      .flatMap((table) => Object.entries(table))
      .map(([scenario, entry]) => [scenario, typeof entry === 'string' ? 'some checks' : entry.checks]),
  );
}
