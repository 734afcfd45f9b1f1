import type { JsonSchema } from '../../../shared/validation/json-schema.js';

const description = `The record of a retail chain's stores, and the place from which their infrastructure is automated.

**Credentials.** Send \`Authorization: Bearer <API key or JWT>\`. Roles are viewer, operator and admin, each may do what the
one before may; \`x-required-role\` of an operation is the least one. An unknown route says 401 before it says 404.

**Errors** are \`application/problem+json\` (RFC 9457). Programs decide by \`code\`; \`type\` is a path that says what to do.
\`GET /problems\` lists all of them. What a request carries that is not known is refused, never passed over: an unknown
field is 422, an unknown query parameter 400.

**Methods.** Every GET answers HEAD as well: the same status and headers, no content. OPTIONS answers 204 with \`Allow\`. Any
other method of a path, TRACE included, is 405 \`method_not_allowed\` with \`Allow\`. Nothing is tunnelled: CONNECT is
405 as well, without a credential.

**Text** is normalised to NFC and trimmed; control characters, invisible and bidirectional ones and markup are refused where
plain text is wanted. Patterns of this document are those of the normalised text.

**Requests that are no HTTP** or that never become whole are refused before their route is known: 400
\`malformed_request\`, 408 \`request_timeout\`, 431 \`headers_too_large\`.

**Every answer** has \`Cache-Control: no-store\`, but where an operation says otherwise, and the usual security headers.`;

/** Title, licence and the words that go before everything else. */
export function documentInfo(version: string): JsonSchema {
  return {
    title: 'Store Provisioning Platform',
    version,
    summary: 'The stores of a retail chain',
    description,
    contact: { name: 'Those who run this installation' },
    license: { name: 'Proprietary', identifier: 'LicenseRef-Proprietary' },
  };
}

/** Relative to the address that the document was read from. */
export const servers = [{ url: '/', description: 'The service that this document comes from' }] as const;

const tags: Readonly<Record<string, string>> = {
  Stores: 'The stores, and what became of each',
  Operations: 'Writes that were accepted while the database was away',
  Health: 'How the service is, for orchestrators and for those who run it',
  Administration: 'Breakers and the queue of writes, for admins',
  Description: 'What the API says of itself',
};

/**
 * Tags with their descriptions, in the order in which they are first used.
 * @throws {Error} naming a tag that has no description
 */
export function describeTags(names: Iterable<string>): JsonSchema[] {
  return [...new Set(names)].map((name) => {
    const description = tags[name];
    if (description === undefined) throw new Error(`The tag ${name} has no description`);
    return { name, description };
  });
}
