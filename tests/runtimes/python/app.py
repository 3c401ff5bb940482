# What tests/real-functions asks of a function, on awslambdaric. Streaming is not in this client.
import http.client
import os
import time

if os.environ.get('FAIL_INIT'):
    raise RuntimeError('cannot init')


def post(request_id, body):
    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    connection.request('POST', f'/2018-06-01/runtime/invocation/{request_id}/response', body)
    return connection.getresponse().status


def handler(event, context):
    what = event['do']
    if what == 'echo':
        custom = context.client_context.custom if context.client_context else None
        return {'got': event, 'name': context.function_name, 'memory': int(context.memory_limit_in_mb), 'custom': custom,
                'id': context.aws_request_id, 'left': 0 < context.get_remaining_time_in_millis() <= 3000}
    if what == 'error':
        raise ValueError('bad amount é')
    if what == 'large':
        return 'x' * event['size']
    if what == 'sleep':
        time.sleep(1000)
    if what == 'exit':
        os._exit(3)
    if what == 'twice':
        print('first:', post(context.aws_request_id, '"first"'))
        return 'second'
    if what == 'wrong':
        return post('00000000-0000-0000-0000-000000000000', '"for somebody else"')
    if what == 'nan':
        return float('nan')
    raise KeyError(what)
