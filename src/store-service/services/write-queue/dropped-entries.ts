import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';
import { syncFolder } from '../../../shared/resilience/journal/commit-mark.js';
import type { SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { OperatorRequest } from '../operator-request.js';

const retryAfterMs = 5_000;

/** Copies of entries that operators dropped, a file each, as encrypted as in the journal. Nothing removes them. */
export class DroppedEntries {
  readonly #folder: string;

  /** @param journalFolder the copies get a folder of their own in it */
  constructor(journalFolder: string) {
    this.#folder = join(journalFolder, 'dropped');
  }

  /**
   * Resolves when the copy is safe on the disk. One that an earlier attempt left is replaced.
   * @param entry its id becomes the name of the file, so it must be a UUID
   * @throws {DependencyUnavailableError} `journal_unavailable`
   */
  async keep(entry: SealedEntry, { actor, reason }: OperatorRequest, droppedAt: Date): Promise<void> {
    const copy = { ...entry, dropped: { at: droppedAt, by: actor, reason } };
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await this.#write(entry.id, `${JSON.stringify(copy, undefined, 2)}\n`);
    } catch (error) {
      throw new DependencyUnavailableError('journal_unavailable', 'The copy of the entry cannot be written', {
        retryAfterMs,
        cause: error,
      });
    }
  }

  /** For one that was not dropped after all. */
  async discard(id: string): Promise<void> {
    await rm(this.#pathOf(id), { force: true });
  }

  async #write(id: string, text: string): Promise<void> {
    const path = this.#pathOf(id);
    const draft = `${path}.draft`;
    const file = await open(draft, 'w', 0o600);
    try {
      // one that an earlier attempt left may have other rights
      await file.chmod(0o600);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    syncFolder(this.#folder);
    syncFolder(join(this.#folder, '..'));
  }

  #pathOf(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}
