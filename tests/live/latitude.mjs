// Latitude's SDK with the real openai package against mock_openai.mjs.
process.env.LATITUDE_TELEMETRY_URL = `http://${process.env.DRIFTLINE_HTTP}`;
const { default: OpenAI } = await import('openai');
const { Latitude, capture } = await import('@latitude-data/telemetry');
const latitude = new Latitude({ apiKey: process.env.DRIFTLINE_KEY, project: 'default', instrumentations: { openai: OpenAI } });
await latitude.ready;
const openai = new OpenAI({ apiKey: 'sk-x', baseURL: `http://127.0.0.1:${process.env.MOCK_PORT}/v1`, maxRetries: 0 });
await capture('turn', async () => {
    await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Where is order 4711?' }] });
}, { sessionId: 'live-latitude', userId: 'user_1' });
await latitude.flush();
process.exit(0);
