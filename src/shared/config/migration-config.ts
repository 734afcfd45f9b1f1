import Joi from 'joi';
import type { TlsSettings } from '../database/client-config.js';
import { ConfigError, type EnvironmentVariables, readVariables, toProblem, tlsOf } from './config.js';
import { connectionString, type Environment, environmentSchema, sslModeProblem } from './environment.js';

/** What it takes to migrate: less than the service needs, read by the same rules. */
export interface MigrationConfig {
  readonly connectionString: string;
  readonly connectTimeoutMs: number;
  readonly tls?: TlsSettings;
}

type Names = 'NODE_ENV' | 'DATABASE_TLS' | 'DATABASE_TLS_CA' | 'DATABASE_CONNECT_TIMEOUT_MS';
interface MigrationEnvironment extends Pick<Environment, Names> {
  DATABASE_OWNER_URL: string;
}

const schema = Joi.object<MigrationEnvironment>({
  NODE_ENV: environmentSchema.extract('NODE_ENV'),
  DATABASE_TLS: environmentSchema.extract('DATABASE_TLS'),
  DATABASE_TLS_CA: environmentSchema.extract('DATABASE_TLS_CA'),
  DATABASE_CONNECT_TIMEOUT_MS: environmentSchema.extract('DATABASE_CONNECT_TIMEOUT_MS'),
  DATABASE_OWNER_URL: connectionString.required(),
}).prefs({ convert: true, abortEarly: false, errors: { wrap: { label: false } } });
const secrets = ['DATABASE_TLS_CA', 'DATABASE_OWNER_URL'];

/** @throws {ConfigError} listing all problems at once */
export function loadMigrationConfig(env: EnvironmentVariables): MigrationConfig {
  const problems: string[] = [];
  const { values } = readVariables(env, Object.keys(schema.describe()['keys'] as object), secrets, problems);
  const result: Joi.ValidationResult<MigrationEnvironment> = schema.validate(values);
  problems.push(...(result.error?.details ?? []).map(toProblem));
  if (result.error || problems.length > 0) throw new ConfigError(problems);
  const { value } = result;
  const tls = tlsOf(value);
  const contradiction = sslModeProblem('DATABASE_OWNER_URL', value.DATABASE_OWNER_URL, tls.tls);
  if (contradiction !== undefined) throw new ConfigError([contradiction]);
  return {
    connectionString: value.DATABASE_OWNER_URL,
    connectTimeoutMs: value.DATABASE_CONNECT_TIMEOUT_MS,
    ...tls,
  };
}
