// LangSmith's OTEL mode; its traces say status OK and carry an exception event when a call fails.
process.env.LANGSMITH_TRACING = 'true';
process.env.LANGSMITH_OTEL_ENABLED = 'true';
process.env.LANGSMITH_ENDPOINT = `http://${process.env.DRIFTLINE_HTTP}`;
process.env.LANGSMITH_API_KEY = process.env.DRIFTLINE_KEY;
process.env.OTEL_SERVICE_NAME = 'live-langsmith';
const { initializeOTEL } = await import('langsmith/experimental/otel/setup');
const { traceable } = await import('langsmith/traceable');
const otel = initializeOTEL();
const llm = traceable(async (messages) => ({
    choices: [{ message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
    usage_metadata: { input_tokens: 10, output_tokens: 2, total_tokens: 12 },
}), { name: 'chat', run_type: 'llm', metadata: { ls_model_name: 'gpt-4o-mini', ls_provider: 'openai', session_id: 'live-langsmith' } });
const failing = traceable(async () => { throw new Error('429 Rate limit reached'); }, { name: 'broken', run_type: 'llm' });
const agent = traceable(async (q) => {
    const answer = await llm([{ role: 'user', content: q }]);
    await failing().catch(() => {});
    return answer;
}, { name: 'agent', run_type: 'chain' });
await agent('hi');
await otel.DEFAULT_LANGSMITH_SPAN_PROCESSOR.shutdown();
