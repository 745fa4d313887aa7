// OpenLLMetry (Traceloop) with the real openai package against mock_openai.mjs.
import OpenAI from 'openai';
import * as traceloop from '@traceloop/node-server-sdk';

traceloop.initialize({ appName: 'live-traceloop', apiKey: process.env.DRIFTLINE_KEY, baseUrl: `http://${process.env.DRIFTLINE_HTTP}`,
    traceloopSyncEnabled: false, silenceInitializationMessage: true, instrumentModules: { openAI: OpenAI } });
const openai = new OpenAI({ apiKey: 'sk-x', baseURL: `http://127.0.0.1:${process.env.MOCK_PORT}/v1`, maxRetries: 0 });
await traceloop.withAssociationProperties({ session_id: 'live-traceloop', user_id: 'user_1' }, () =>
    traceloop.withWorkflow({ name: 'support', version: 3 }, () =>
        openai.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Where is order 4711?' }] })));
await traceloop.forceFlush();
await new Promise((done) => setTimeout(done, 300));
process.exit(0);
