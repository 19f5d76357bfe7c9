/** Tools of file reservations: file_reserve, file_release. */
import type { FileReleaseArguments, FileReserveArguments } from '../spec.types.ts';
import { submitActing } from './calling.ts';
import type { Handler } from './tool.ts';

const ttlByDefault = 3600;

export const fileReserve: Handler<FileReserveArguments> = async (call) => {
  const { globs, mode = 'exclusive', ttl = ttlByDefault, assignmentId, leaseToken, waitSeconds = 0 } = call.args;
  // The schema sees to it that both are there or neither is.
  const claim = assignmentId === undefined || leaseToken === undefined ? null : { assignmentId, leaseToken };
  const wait = waitSeconds > 0;
  return submitActing(
    call,
    (actor) => ({ type: 'file_reserve', actor, claim, globs, mode, ttlMs: Math.ceil(ttl * 1000), wait }),
    waitSeconds,
  );
};

export const fileRelease: Handler<FileReleaseArguments> = async (call) => {
  const { reservationId = null, globs = null } = call.args;
  return submitActing(call, (actor) => ({ type: 'file_release', actor, reservationId, globs }));
};
