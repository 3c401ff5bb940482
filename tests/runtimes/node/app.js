// What tests/real-functions asks of a function, on aws-lambda-ric.
const http = require('http');

if (process.env.FAIL_INIT) throw new RangeError('cannot init');

function post(id, body) {
  return new Promise((resolve, reject) => {
    const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/${id}/response`;
    const sent = http.request(url, { method: 'POST' }, (response) => response.resume().on('end', () => resolve(response.statusCode)));
    sent.on('error', reject);
    sent.end(body);
  });
}

exports.handler = async (event, context) => {
  const left = context.getRemainingTimeInMillis();
  switch (event.do) {
    case 'echo':
      return { got: event, name: context.functionName, memory: Number(context.memoryLimitInMB), custom: context.clientContext?.custom ?? null,
               id: context.awsRequestId, left: left > 0 && left <= 3000 };
    case 'error': throw new RangeError('bad amount é');
    case 'large': return 'x'.repeat(event.size);
    case 'sleep': return new Promise((resolve) => setTimeout(resolve, 1000000));
    case 'exit': process.exit(3);
    case 'twice': console.log('first:', await post(context.awsRequestId, '"first"')); return 'second';
    case 'wrong': return post('00000000-0000-0000-0000-000000000000', '"for somebody else"');
    default: throw new Error('unknown: ' + event.do);
  }
};

exports.stream = globalThis.awslambda?.streamifyResponse(async (event, out) => {
  out.setContentType('text/plain');
  out.write('part1\n');
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (event.do === 'fail') return out.destroy(new RangeError('mid-stream'));
  if (event.do === 'exit') process.exit(3);
  out.write('part2\n');
  out.end();
});
