// Rules' parameters as the program describes them (JSON Schema), flattened to what a form needs.

export interface Field {
  name: string;
  kind: 'number' | 'integer' | 'boolean' | 'choice' | 'text' | 'list' | 'zone' | 'line' | 'lane' | 'json';
  required: boolean;
  choices: string[];
  fallback: unknown;
  help: string;
  minimum?: number;
  maximum?: number;
}

type Schema = Record<string, unknown>;

const isSchema = (value: unknown): value is Schema => !!value && typeof value === 'object' && !Array.isArray(value);

/** The type that a variant's own `type` property names. */
function constOf(schema: Schema): string | undefined {
  const type = isSchema(schema.properties) ? schema.properties.type : undefined;
  return isSchema(type) && typeof type.const === 'string' ? type.const : undefined;
}

/** Every rule's schema by its type, from a list of them or from an object. */
export function byType(answer: unknown): Record<string, Schema> {
  const found: Record<string, Schema> = {};
  if (!isSchema(answer)) return found;
  const top = resolved(answer, answer);
  const source = top.oneOf ?? answer.items ?? answer;
  if (Array.isArray(source)) {
    for (const one of source) {
      if (!isSchema(one)) continue;
      const name = constOf(one) ?? one.type ?? one.name ?? one.kind;
      if (typeof name === 'string') found[name] = { $defs: answer.$defs, ...(isSchema(one.schema) ? one.schema : isSchema(one.parameters) ? one.parameters : one) };
    }
  } else if (isSchema(source)) {
    for (const [name, one] of Object.entries(source)) if (isSchema(one)) found[name] = one;
  }
  return found;
}

export function fieldsOf(schema: Schema | undefined): Field[] {
  if (!schema || !isSchema(schema.properties)) return [];
  const required = Array.isArray(schema.required) ? schema.required : [];
  const fields = Object.entries(schema.properties)
    .filter(([name]) => name !== 'id' && name !== 'type')
    .map(([name, value]) => field(name, resolved(value, schema), required.includes(name)));
  return fields.sort((a, b) => Number(b.required) - Number(a.required));
}

function field(name: string, schema: Schema, required: boolean): Field {
  const choices = choicesOf(schema);
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== 'null') : schema.type;
  const kind: Field['kind'] =
    name === 'zone' || name === 'line' || name === 'lane' ? name
    : choices.length > 0 ? 'choice'
    : type === 'number' || type === 'integer' || type === 'boolean' ? type
    : type === 'string' ? 'text'
    : type === 'array' && (isSchema(schema.items) ? schema.items.type === 'string' || !!schema.items.$ref || !!schema.items.enum : false) ? 'list'
    : 'json';
  return {
    name, kind, required, choices, fallback: schema.default,
    help: typeof schema.description === 'string' ? schema.description : '',
    ...(typeof schema.minimum === 'number' && { minimum: schema.minimum }),
    ...(typeof schema.maximum === 'number' && { maximum: schema.maximum }),
  };
}

function resolved(value: unknown, root: Schema): Schema {
  if (!isSchema(value)) return {};
  const some = Array.isArray(value.anyOf) ? value.anyOf.find((one) => isSchema(one) && one.type !== 'null') : undefined;
  const target = isSchema(some) ? { ...value, ...some } : value;
  if (typeof target.$ref !== 'string') return target;
  const found = target.$ref.replace(/^#\//, '').split('/').reduce<unknown>((at, part) => (isSchema(at) ? at[part] : undefined), root);
  return isSchema(found) ? { ...found, ...target, $ref: undefined } : target;
}

function choicesOf(schema: Schema): string[] {
  if (Array.isArray(schema.enum)) return schema.enum.filter((one): one is string => typeof one === 'string');
  if (!Array.isArray(schema.oneOf)) return [];
  const consts = schema.oneOf.map((one) => (isSchema(one) ? (one.const ?? (Array.isArray(one.enum) ? one.enum[0] : undefined)) : undefined));
  return consts.every((one) => typeof one === 'string') ? (consts as string[]) : [];
}
