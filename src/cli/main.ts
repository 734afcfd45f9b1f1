import { messageOf } from '../shared/errors/error-code.js';
import { runMain } from '../shared/process/run-main.js';
import { runCli } from './run-cli.js';

runMain(() => runCli(process.argv.slice(2), process), {
  explain: (error) => ({ exitCode: 1, message: messageOf(error) }),
});
