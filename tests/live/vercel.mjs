// Vercel AI SDK: vercel.mjs (new|legacy). Wrapper spans repeat their children's usage; it must be counted once.
import { NodeSDK } from '@opentelemetry/sdk-node';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import * as ai from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import * as otel from '@ai-sdk/otel';
import { z } from 'zod';

const flavour = process.argv[2] ?? 'new';
const sdk = new NodeSDK({
    resource: resourceFromAttributes({ 'service.name': `live-vercel-${flavour}` }),
    traceExporter: new OTLPTraceExporter({
        url: `http://${process.env.DRIFTLINE_HTTP}/v1/traces`, headers: { authorization: `Bearer ${process.env.DRIFTLINE_KEY}` },
    }),
    instrumentations: [],
});
sdk.start();
ai.registerTelemetry(flavour === 'legacy' ? new otel.LegacyOpenTelemetry() : new otel.OpenTelemetry());
let call = 0;
const usage = { inputTokens: { total: 100, noCache: 40, cacheRead: 60 }, outputTokens: { total: 20, text: 15, reasoning: 5 } };
const model = new MockLanguageModelV4({
    provider: 'openai.chat', modelId: 'gpt-4o-mini',
    doGenerate: async () => ++call === 1
        ? { content: [{ type: 'tool-call', toolCallId: 'call_1', toolName: 'lookup', input: '{"id":4711}' }],
            finishReason: { unified: 'tool-calls', raw: 'tool_calls' }, usage, warnings: [] }
        : { content: [{ type: 'text', text: 'Order 4711 shipped.' }], finishReason: { unified: 'stop', raw: 'stop' }, usage, warnings: [] },
});
const result = await ai.generateText({
    model, prompt: 'Where is order 4711?', stopWhen: ai.isStepCount ? ai.isStepCount(3) : ai.stepCountIs(3),
    tools: { lookup: ai.tool({ description: 'Find an order', inputSchema: z.object({ id: z.number() }), execute: async () => ({ status: 'shipped' }) }) },
    telemetry: { isEnabled: true, functionId: 'support', metadata: { sessionId: 'live-vercel' } },
    experimental_telemetry: { isEnabled: true, functionId: 'support', metadata: { sessionId: 'live-vercel' } },
});
console.log(result.text);
await sdk.shutdown();
