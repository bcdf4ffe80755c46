import { constants } from 'node:os';

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** UV_EOF of libuv (uv/errno.h), negated. */
const endOfFile = 4095;

/**
 * `error.type` for a connection that ended too early: the name of the errno that libuv reported, which Node has in `error.code`;
 * `connection_closed` if the other side closed it; `aborted` if the program itself did, as on a timeout.
 */
export function nodeErrorType(error: number): string {
  if (error === 0) return 'aborted';
  if (error === endOfFile) return 'connection_closed';
  return names.get(error) ?? `errno_${error}`;
}
