/** Reviewer: can this release hurt somebody? Whether it is finished, or nice to have, is for the others to say. */
import { answer } from './job.mjs';
import { objections, verdict } from './reviewing.mjs';

await answer(({ dependencies }) =>
  verdict(
    'security',
    objections(dependencies, {
      secret: 'who has the code has the credential',
      'secret-file': 'who has the code may have the credential',
      'conflict-marker': 'nobody has reviewed the file as it stands',
      'loose-dependency': 'users run code that nobody has looked at',
      'no-lock-file': 'the next build is made of other code than this one',
      uncommitted: 'what was examined is not what lies in the folder',
    }),
  ),
);
