/** What is closed lets the process end within this time, unless it hangs. */
const keptMs = 2_000;

/**
 * To be called when everything was closed: kills the process if something keeps it nevertheless. A thread whose disk hangs
 * can neither be ended nor left behind: `process.exit` would wait for it, and only a signal does not. What was acknowledged is
 * on the disk, as after any crash.
 */
export function killIfKept(afterMs = keptMs): void {
  const timer = setTimeout(() => {
    process.stderr.write('Something keeps the process although everything was closed: it is killed\n');
    process.kill(process.pid, 'SIGKILL');
  }, afterMs);
  // on its own it keeps nothing
  timer.unref();
}
