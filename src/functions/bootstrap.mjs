// Tarn's Node runtime: calls handler(event, context) for every invocation of the Lambda Runtime API.
// Node 18 or newer, nothing to install. Started as: node --input-type=module -e THIS module.handler, in the
// function's folder.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new Agent({ keepAlive: true, maxSockets: 1, noDelay: true });

function next() {
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, path: '/2018-06-01/runtime/invocation/next', agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { body += part; });
      response.on('end', () => resolve({ headers: response.headers, body }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

function post(path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    headers['Content-Type'] = 'application/json';
    headers['Content-Length'] = Buffer.byteLength(body);
    const sent = request({ host, port, method: 'POST', path: '/2018-06-01/runtime/' + path, agent, headers }, (response) => {
      response.on('end', resolve);
      response.on('error', reject);
      response.resume();
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

// A failure of ours on behalf of the function, under the name that Lambda uses for it.
class RuntimeFault extends Error {
  constructor(kind, message) {
    super(message);
    this.name = kind;
  }
}

function errorDocument(error, requestId = '') {
  const known = error instanceof Error;
  return {
    errorType: known ? error.name : typeof error,
    errorMessage: known ? error.message : String(error),
    requestId,
    stackTrace: known && error.stack ? error.stack.split('\n').map((line) => line.trim()) : [],
  };
}

function postError(path, error, requestId) {
  const document = errorDocument(error, requestId);
  const kind = document.errorType.replace(/[^\x21-\x7e]/g, '_') || 'Error';
  return post(path, JSON.stringify(document), { 'Lambda-Runtime-Function-Error-Type': kind });
}

// Where the syntax is wrong: Node tells it on its standard error only.
function placeOf(file) {
  const place = /^(?:file:\/\/)?(.*:\d+)$/m.exec(spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' }).stderr);
  return place ? ` (${place[1]})` : ` (${file}, or what it imports)`;
}

async function load(name) {
  const dot = name.lastIndexOf('.');
  if (dot <= 0) throw new RuntimeFault('Runtime.MalformedHandlerName', `Bad handler '${name}': expected module.function`);
  const base = join(process.cwd(), name.slice(0, dot));
  const file = ['.mjs', '.js', '.cjs'].map((end) => base + end).find(existsSync);
  if (!file) throw new RuntimeFault('Runtime.ImportModuleError', `Cannot find module '${base}' (.mjs, .js or .cjs)`);
  let module;
  try {
    module = await import(pathToFileURL(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeFault('Runtime.UserCodeSyntaxError', `${error.message}${placeOf(file)}`);
    if (/MODULE_NOT_FOUND$/.test(error?.code)) throw new RuntimeFault('Runtime.ImportModuleError', error.message);
    throw error;
  }
  const wanted = name.slice(dot + 1);
  const handler = module[wanted] ?? module.default?.[wanted];
  if (typeof handler !== 'function') {
    throw new RuntimeFault('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  }
  return handler;
}

// Read once: each look at process.env costs a microsecond.
const fixed = {
  functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
  functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
  memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
  logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
};

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const client = headers['lambda-runtime-client-context'];
  return {
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    ...fixed,
    clientContext: client ? JSON.parse(client) : undefined,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// Both kinds of handler: one that returns (a promise of) its answer, and one that calls back.
function invoke(handler, event, context) {
  return new Promise((resolve, reject) => {
    const callback = (error, result) => (error ? reject(error) : resolve(result));
    const returned = handler(event, context, callback);
    if (typeof returned?.then === 'function') returned.then(resolve, reject);
    else if (handler.length < 3) resolve(returned);
  });
}

async function answer(handler, body, context) {
  let event;
  try {
    event = JSON.parse(body);
  } catch (error) {
    throw new RuntimeFault('Runtime.UnmarshalError', error.message);
  }
  return JSON.stringify((await invoke(handler, event, context)) ?? null);
}

let current = '';

async function fatal(error, code) {
  console.error(error);
  if (current) await postError(`invocation/${current}/error`, error, current).catch(() => {});
  process.exit(code);
}

process.on('unhandledRejection', (error) => fatal(error, 128));
process.on('uncaughtException', (error) => fatal(error, 129));

let handler;
try {
  handler = await load(process.argv[1]);
} catch (error) {
  console.error(error);
  await postError('init/error', error).catch(() => {});
  process.exit(1);
}
for (;;) {
  let invocation;
  try {
    invocation = await next();
  } catch {
    process.exit(1); // the host has gone
  }
  const context = contextOf(invocation.headers);
  current = context.awsRequestId;
  try {
    const result = await answer(handler, invocation.body, context);
    await post(`invocation/${current}/response`, result);
  } catch (error) {
    console.error(error);
    await postError(`invocation/${current}/error`, error, current);
  }
  current = '';
}
