import Joi from 'joi';

const problemDescription = Joi.object({
  code: Joi.string().required().description('`code` of the problem; stable'),
  status: Joi.number().integer().min(400).max(599).required().description('Status of the answer'),
  title: Joi.string().required().description('The same for every occurrence'),
  remedy: Joi.string().required().description('What the caller can do about it'),
}).description('A problem that the API can answer');

/** Schemas of what the API says of itself. */
export const descriptionSchemas = {
  ProblemDescription: problemDescription,
  ProblemCatalogue: Joi.object({ items: Joi.array().items(problemDescription).required() }).description(
    'Every problem that the API can answer',
  ),
  OpenApiDocument: Joi.object().unknown().description('An OpenAPI document'),
} as const;
