import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** Compiles schemas of an OpenAPI document, whose references lead into its components. */
export class SchemaCompiler {
  readonly #ajv: Ajv2020;
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(components: object) {
    this.#ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(this.#ajv);
    // ajv-formats knows addresses in ASCII only
    this.#ajv.addFormat('idn-email', /^\S+@\S+$/u);
    this.#ajv.addSchema({ $id: 'openapi', components });
  }

  compile(schema: object): ValidateFunction {
    const text = JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components');
    const validate = this.#compiled.get(text) ?? this.#ajv.compile(JSON.parse(text) as object);
    this.#compiled.set(text, validate);
    return validate;
  }

  /** What a value breaks of a schema; undefined when nothing. */
  faultsOf(schema: object, value: unknown): string | undefined {
    const validate = this.compile(schema);
    return validate(value) ? undefined : this.#ajv.errorsText(validate.errors);
  }
}
