/** Renders what the examiners found and what the reviewers' vote came to, for people. */
import { answer } from './job.mjs';

const shownMax = 10;

await answer(({ dependencies }) => {
  const { inventory, metadata, leftovers, review } = dependencies;
  return [
    `Verdict: ${review.verdict.toUpperCase()}`,
    '',
    `  ${inventory.root}`,
    `  commit ${inventory.commit.slice(0, 7)} ${inventory.branch === '' ? 'on no branch' : `on ${inventory.branch}`}, ${inventory.committedAt}: ${inventory.subject}`,
    `  ${count(inventory.files, 'tracked file')}, ${size(inventory.bytes)}, ${count(leftovers.testFiles, 'test file')}, ${count(leftovers.todos, 'to-do mark')}`,
    `  ${licenseOf(metadata)}${packageOf(metadata)}`,
    '',
    ...reasonsOf(review),
    '',
    ...findingsOf(dependencies),
    '',
  ].join('\n');
});

/** A majority is several reviewers; the result that comes here is that of the first one of them. */
function reasonsOf({ reviewer, verdict, reasons }) {
  if (reasons.length === 0)
    return [`The reviewer for ${reviewer}, who voted ${verdict} with the majority, objects to nothing.`];
  return [
    `The reviewer for ${reviewer} voted ${verdict} with the majority:`,
    ...reasons.map((reason) => `  - ${reason}`),
  ];
}

function findingsOf(dependencies) {
  const examined = Object.entries(dependencies).filter(([, { findings }]) => findings !== undefined);
  const lines = examined.flatMap(([phase, { findings, findingsLeftOut = 0 }]) => {
    const more = Math.max(0, findings.length - shownMax) + findingsLeftOut;
    return [
      ...findings.slice(0, shownMax).map(({ rule, where, what }) => `  ${phase}: ${rule}: ${where}: ${what}`),
      ...(more === 0 ? [] : [`  ${phase}: and ${more} more`]),
    ];
  });
  return lines.length === 0 ? ['The examiners found nothing.'] : ['The examiners found:', ...lines];
}

function licenseOf({ licenseFile, license }) {
  return licenseFile === null ? 'no license' : `license ${license ?? 'of an unknown kind'} in ${licenseFile}`;
}

function packageOf({ package: described }) {
  return described === null
    ? ''
    : `, package ${described.name ?? 'without a name'} ${described.version ?? ''}`.trimEnd();
}

function count(number, what) {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function size(bytes) {
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
