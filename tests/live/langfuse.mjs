// The unmodified Langfuse SDK: only its base URL and keys point here.
process.env.LANGFUSE_BASE_URL = `http://${process.env.DRIFTLINE_HTTP}`;
process.env.LANGFUSE_PUBLIC_KEY = 'pk-anything';
process.env.LANGFUSE_SECRET_KEY = process.env.DRIFTLINE_KEY;
const { NodeSDK } = await import('@opentelemetry/sdk-node');
const { LangfuseSpanProcessor } = await import('@langfuse/otel');
const { startActiveObservation, propagateAttributes } = await import('@langfuse/tracing');
const sdk = new NodeSDK({ spanProcessors: [new LangfuseSpanProcessor({ environment: 'live', release: '9.9' })], instrumentations: [] });
sdk.start();
const turns = Number(process.argv[2] ?? 2);
for (let turn = 1; turn <= turns; turn++)
    await propagateAttributes({ userId: 'user_1', sessionId: 'live-langfuse', version: '7', tags: ['live'] }, () =>
        startActiveObservation('agent', async (agent) => {
            const llm = agent.startObservation('answer', {
                model: 'gpt-4o-mini', input: [{ role: 'user', content: `turn ${turn}` }],
                prompt: { name: 'support', version: 3, isFallback: false },
            }, { asType: 'generation' });
            llm.update({ output: 'done', usageDetails: { input: 56, output: 12, input_cached_tokens: 64, total: 132 }, costDetails: { total: 0.5 } });
            llm.end();
            const tool = agent.startObservation('lookup', { input: { id: turn } }, { asType: 'tool' });
            tool.update({ level: 'ERROR', statusMessage: 'connect ETIMEDOUT' });
            tool.end();
        }, { asType: 'agent' }));
await sdk.shutdown();
console.log(`sent ${turns * 3} spans`);
