/** Resolves at SIGTERM or SIGINT and, with a lifeline, when standard input ends: so that no child outlives its parent. */
export async function untilStopped(lifeline) {
  await new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, resolve);
    if (lifeline) process.stdin.once('end', resolve).resume();
  });
  process.stdin.destroy(); // reading it would keep the process alive
}
