/** Reviewer: may this be published, and can it be? What is published once cannot be taken back. */
import { answer } from './job.mjs';
import { objections, verdict } from './reviewing.mjs';

await answer(({ dependencies }) =>
  verdict(
    'packaging',
    objections(dependencies, {
      secret: 'a published credential stays published',
      'conflict-marker': 'the package would contain a broken file',
      'no-license': 'nobody may use it',
      'license-unclear': 'nobody knows on which terms it may be used',
      'manifest-invalid': 'the registry or its users cannot read it',
      'version-taken': 'this version is another commit already',
      'loose-dependency': 'the package cannot be installed twice with the same result',
      'large-file': 'every user downloads it, every time',
      'generated-file': 'it is stale as soon as its source changes',
      uncommitted: 'the package would not be the commit',
    }),
  ),
);
