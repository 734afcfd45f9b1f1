import { isMainThread } from 'node:worker_threads';

/**
 * Loaded before the service: a service whose lab is gone, however that ended, ends with it. Threads of the service load
 * it as well, and their stdin says nothing of the lab.
 */
if (isMainThread) {
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
  // an orderly stop must not wait for the lab to hang up
  if ('unref' in process.stdin) process.stdin.unref();
}
