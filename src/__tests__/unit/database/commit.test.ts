import { describe, expect, it } from '@jest/globals';
import { commit } from '../../../shared/database/commit.js';
import type { Connection } from '../../../shared/database/connection.js';
import { DatabaseUnavailableError } from '../../../shared/database/database-error.js';

describe('commit', () => {
  it('says that the database is unavailable when the connection was given up before it', async () => {
    const error = new Error('The connection was given up');
    const connection = { failure: { errorClass: 'connection', error } } as unknown as Connection;
    const result = await commit(connection);
    expect(result).toMatchObject({ kind: 'rolled_back', error: { errorClass: 'connection', cause: error } });
    expect(result.kind === 'rolled_back' && result.error).toBeInstanceOf(DatabaseUnavailableError);
  });
});
