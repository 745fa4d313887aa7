// OpenTelemetry JS, protobuf, JSON or gRPC: otel.mjs (proto|json|grpc) TURNS
// An agent with a chat, a tool and a failing chat a turn; ends with sdk.shutdown(), which must not throw.
import { NodeSDK } from '@opentelemetry/sdk-node';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { trace, context, SpanStatusCode } from '@opentelemetry/api';

const [flavour = 'proto', turns = '3'] = process.argv.slice(2);
const headers = { authorization: `Bearer ${process.env.DRIFTLINE_KEY}` };
const http = `http://${process.env.DRIFTLINE_HTTP}/v1/traces`;
let exporter;
if (flavour === 'grpc') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
    const { Metadata } = await import('@grpc/grpc-js');
    const metadata = new Metadata();
    metadata.set('authorization', headers.authorization);
    exporter = new OTLPTraceExporter({ url: `http://${process.env.DRIFTLINE_GRPC}`, metadata });
} else {
    const { OTLPTraceExporter } = await import(
        flavour === 'json' ? '@opentelemetry/exporter-trace-otlp-http' : '@opentelemetry/exporter-trace-otlp-proto');
    exporter = new OTLPTraceExporter({ url: http, headers, compression: flavour === 'proto' ? 'gzip' : undefined });
}
const sdk = new NodeSDK({
    resource: resourceFromAttributes({ 'service.name': `live-${flavour}`, 'service.version': '1.0.0' }),
    traceExporter: exporter,
    instrumentations: [],
});
sdk.start();
const tracer = trace.getTracer('live');
for (let turn = 1; turn <= Number(turns); turn++) {
    const agent = tracer.startSpan('invoke_agent support', {
        attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.conversation.id': 'live-session' },
    });
    const below = trace.setSpan(context.active(), agent);
    const chat = tracer.startSpan('chat gpt-4o-mini', {
        attributes: {
            'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-4o-mini',
            'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 10,
            'gen_ai.response.finish_reasons': ['stop'], 'gen_ai.request.temperature': 1,
            'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: `question ${turn}` }] }]),
            'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: [{ type: 'text', content: 'answer' }] }]),
        },
    }, below);
    chat.end();
    const tool = tracer.startSpan('execute_tool lookup', {
        attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'lookup' },
    }, below);
    tool.end();
    const failing = tracer.startSpan('chat gpt-4o-mini', {
        attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o-mini', 'error.type': 'RateLimitError' },
    }, below);
    failing.recordException(new Error('429 Rate limit reached'));
    failing.setStatus({ code: SpanStatusCode.ERROR, message: '429 Rate limit reached' });
    failing.end();
    agent.end();
}
await sdk.shutdown();
console.log(`sent ${Number(turns) * 4} spans`);
