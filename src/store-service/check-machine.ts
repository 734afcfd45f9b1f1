import { createServer } from 'node:net';
import { type Config, ConfigError } from '../shared/config/config.js';
import { ensureWritableFolder, FolderError } from '../shared/files/writable-folder.js';
import { awaiting } from '../shared/process/awaited.js';
import { ListenError } from './listen-failure.js';

const folderMode = 0o700;

/**
 * Looks at what the service needs of this machine before anything is connected to or made elsewhere.
 * @throws {ConfigError} if the folder of the journal cannot be written to
 * @throws {ListenError} if the address cannot be listened on
 */
export async function checkMachine({ journal, http }: Pick<Config, 'journal' | 'http'>): Promise<void> {
  await awaiting(`the folder of JOURNAL_DIR, ${journal.folder}`, () => checkJournalFolder(journal.folder));
  await tryListening(http);
}

async function checkJournalFolder(folder: string): Promise<void> {
  try {
    await ensureWritableFolder(folder, folderMode);
  } catch (error) {
    if (!(error instanceof FolderError)) throw error;
    throw new ConfigError([`JOURNAL_DIR: '${folder}' is no folder to write to: ${error.message}`]);
  }
}

async function tryListening(http: Config['http']): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: http.port, host: http.host }, () => {
        server.close(() => {
          resolve();
        });
      });
    });
  } catch (error) {
    throw new ListenError(http, error);
  }
}
