import { ConfigError, loadConfig } from '../shared/config/config.js';
import { killIfKept } from './kill-if-kept.js';
import { startServer } from './server.js';

/** The process: configuration, server, signals. */
async function main(): Promise<void> {
  const server = await startServer(loadConfig(process.env));
  const stop = (): void => {
    server
      .close()
      .then(
        () => {
          process.exitCode = 0;
        },
        (error: unknown) => {
          fail(error);
        },
      )
      .finally(() => {
        killIfKept();
      });
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof ConfigError ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ConfigError ? ConfigError.exitCode : 1;
}

main().catch(fail);
