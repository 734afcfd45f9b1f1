/** Loaded before the service: a service whose lab is gone, however that ended, ends with it. */
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
// an orderly stop must not wait for the lab to hang up
if ('unref' in process.stdin) process.stdin.unref();
