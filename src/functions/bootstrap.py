"""Tarn's Python runtime: calls handler(event, context) for every invocation of the Lambda Runtime API.

Standard library only, Python 3.8 or newer. Started as: python3 -c THIS module.handler, in the function's folder.
"""
import http.client
import importlib
import json
import os
import sys
import time
import traceback

API = '/2018-06-01/runtime/'


class ClientContext:
    def __init__(self, document):
        self.custom = document.get('custom') or {}
        self.env = document.get('env') or {}
        self.client = document.get('client')


class Context:
    """What handlers know as `context`; the names are AWS's."""

    def __init__(self, headers):
        self.aws_request_id = headers['Lambda-Runtime-Aws-Request-Id']
        self.invoked_function_arn = headers.get('Lambda-Runtime-Invoked-Function-Arn')
        self.function_name = os.environ['AWS_LAMBDA_FUNCTION_NAME']
        self.function_version = os.environ['AWS_LAMBDA_FUNCTION_VERSION']
        self.memory_limit_in_mb = os.environ['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
        self.log_group_name = os.environ.get('AWS_LAMBDA_LOG_GROUP_NAME')
        self.log_stream_name = os.environ.get('AWS_LAMBDA_LOG_STREAM_NAME')
        self.identity = None
        text = headers.get('Lambda-Runtime-Client-Context')
        self.client_context = ClientContext(json.loads(text)) if text else None
        self._deadline_ms = int(headers['Lambda-Runtime-Deadline-Ms'])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))


class Runtime:
    def __init__(self):
        self.connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])

    def next(self):
        self.connection.request('GET', API + 'invocation/next')
        response = self.connection.getresponse()
        return response.headers, response.read()

    def post(self, path, body, headers=()):
        self.connection.request('POST', API + path, body, {'Content-Type': 'application/json', **dict(headers)})
        self.connection.getresponse().read()

    def post_error(self, path, error, frames, request_id=''):
        kind = error_type(error)
        document = {'errorMessage': str(error), 'errorType': kind, 'requestId': request_id, 'stackTrace': frames}
        self.post(path, json.dumps(document).encode(), {'Lambda-Runtime-Function-Error-Type': kind})


class RuntimeFault(Exception):
    """A failure of ours on behalf of the function; `kind` is the name that Lambda uses for it."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def error_type(error):
    return error.kind if isinstance(error, RuntimeFault) else type(error).__name__


def frames_of(error):
    """The traceback without this file's own frames."""
    return traceback.format_list([f for f in traceback.extract_tb(error.__traceback__) if f.filename != '<string>'])


def load(name):
    module_name, dot, function_name = name.rpartition('.')
    if not dot:
        raise RuntimeFault('Runtime.MalformedHandlerName', f"Bad handler '{name}': expected module.function")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name.replace('/', '.'))
    except ModuleNotFoundError as error:
        place = f' in {os.getcwd()}' if error.name == module_name.replace('/', '.') else ''
        raise RuntimeFault('Runtime.ImportModuleError', f"Unable to import module '{module_name}': {error}{place}") from error
    except SyntaxError as error:
        place = f'{os.path.basename(error.filename or "?")}:{error.lineno}:{error.offset}'
        raise RuntimeFault('Runtime.UserCodeSyntaxError', f"Syntax error in module '{module_name}': {error.msg} ({place})") from error
    handler = getattr(module, function_name, None)
    if not callable(handler):
        problem = 'missing on' if handler is None else 'is not a function in'
        raise RuntimeFault('Runtime.HandlerNotFound', f"Handler '{function_name}' {problem} module '{module_name}'")
    return handler


def answer(handler, body, context):
    try:
        event = json.loads(body)
    except ValueError as error:
        raise RuntimeFault('Runtime.UnmarshalError', f'Unable to unmarshal input: {error}') from error
    result = handler(event, context)
    try:
        return json.dumps(result, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise RuntimeFault('Runtime.MarshalError', f'Unable to marshal response: {error}') from error


def serve(runtime, handler):
    while True:
        headers, body = runtime.next()
        context = Context(headers)
        path = f'invocation/{context.aws_request_id}/'
        try:
            result = answer(handler, body, context)
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            runtime.post_error(path + 'error', error, frames_of(error), context.aws_request_id)
            continue
        sys.stdout.flush()
        runtime.post(path + 'response', result)


def main():
    runtime = Runtime()
    try:
        handler = load(sys.argv[1])
    except BaseException as error:
        runtime.post_error('init/error', error, frames_of(error))
        print(f'{error_type(error)}: {error}', file=sys.stderr)
        sys.exit(1)
    try:
        serve(runtime, handler)
    except (ConnectionError, http.client.HTTPException):
        sys.exit(1)  # the host has gone


main()
