import Joi from 'joi';

/** RFC 9562. */
export const uuid = Joi.string().guid().description('UUID');

/** RFC 3339, in UTC, with milliseconds. */
export const timestamp = Joi.string().isoDate().description('Point in time, in UTC');

export const version = Joi.number().integer().min(1).description('Grows by one with every change');

export const count = Joi.number().integer().min(0);

export const principal = Joi.string().description(
  'Who did it: `key:<id>` of an API key, or `oidc:<subject>` of a token',
);

export const requestId = Joi.string().description('Id of the request, as in the logs');

export const next = Joi.string().description('Cursor of the next page; absent on the last');
