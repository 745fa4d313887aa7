// A stand-in for the OpenAI API on 127.0.0.1: answers chat completions; says "429" when the prompt says RATE. Prints its port.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => {
        const send = (code, value) => {
            response.writeHead(code, { 'content-type': 'application/json' });
            response.end(JSON.stringify(value));
        };
        if (body.includes('RATE'))
            return send(429, { error: { message: 'Rate limit reached', type: 'rate_limit_exceeded', code: 'rate_limit_exceeded' } });
        send(200, {
            id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o-mini-2024-07-18',
            choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Order 4711 shipped.' } }],
            usage: { prompt_tokens: 120, completion_tokens: 34, total_tokens: 154, prompt_tokens_details: { cached_tokens: 64 } },
        });
    });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
