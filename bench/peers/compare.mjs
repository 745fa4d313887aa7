// compare.mjs - the same 13 questions to a running Driftline and to DuckDB in this process: same rows? how fast?
//
//   usage: node compare.mjs SPANS.csv http://127.0.0.1:4318 [RUNS] [ENGINE-THREADS]
//
// SPANS.csv has a header line of import names (time_us, latency_us, score.groundedness, cost_nusd, ...), covers whole hours up to its
// last span, and was ingested into the server's project "default". DuckDB comes from npm: run
// `npm install @duckdb/node-api` in the current directory first. The key is taken from DRIFTLINE_KEY.
//
// Prints one line a question: rows, median milliseconds of both, ratio. Our times include HTTP and parsing the JSON answer.
// Exits 1 when an answer differs (approximate quantiles: by more than their stated 0.8 %).
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const require = createRequire(process.cwd() + '/');
const duckdb = require('@duckdb/node-api');
const [csv, server, runsText = '7', threads = '2'] = process.argv.slice(2);
const runs = Number(runsText);
if (!csv || !server) {
  console.error('usage: node compare.mjs SPANS.csv http://HOST:PORT [RUNS] [ENGINE-THREADS]');
  process.exit(2);
}

const instance = await duckdb.DuckDBInstance.create(':memory:', { threads });
const connection = await instance.connect();
const duck = async (sql) => (await connection.runAndReadAll(sql)).getRowsJson();
const ours = async (sql) => {
  const headers = process.env.DRIFTLINE_KEY ? { Authorization: 'Bearer ' + process.env.DRIFTLINE_KEY } : {};
  const answer = await fetch(server + '/api/v1/sql?format=json', { method: 'POST', body: sql, headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return JSON.parse(text).rows;
};

const loadStarted = performance.now();
await connection.run(`create table spans as select * from read_csv('${csv}', header = true)`);
console.error(`DuckDB loaded ${csv} in ${((performance.now() - loadStarted) / 1e3).toFixed(1)} s`);
const [[lastUs]] = await duck('select max(time_us)::varchar from spans');
const hourUs = 3600000000n;
const endUs = (BigInt(lastUs) / hourUs + 1n) * hourUs;
const iso = (us) => new Date(Number(us / 1000n)).toISOString();
const [[trace]] = await duck('select trace_id from spans order by time_us offset (select count(*) // 2 from spans) limit 1');
const [[session]] = await duck('select session from spans group by 1 order by count(*) desc, 1 limit 1 offset 100');

// Cells compare by kind: x exactly (as text), n numbers to 1e-9 relative, q quantiles to 0.8 %, t DuckDB microseconds against our
// timestamps. scale: DuckDB's number times this is ours.
const MS = 1e-3, USD = 1e-9;
const questions = [
  ['count', 'select count(*) from spans', 'select count(*) from spans', ['n']],
  ['pct_by_version_24h',
    "select prompt_version, quantile_cont(latency_us, 0.5), quantile_cont(latency_us, 0.95), quantile_cont(latency_us, 0.99) from spans where kind = 'llm' group by 1 order by 1",
    "select prompt_version, quantile_exact(latency_ms, 0.5), quantile_exact(latency_ms, 0.95), quantile_exact(latency_ms, 0.99) from spans where kind = 'llm' group by 1 order by 1",
    ['x', ['n', MS], ['n', MS], ['n', MS]]],
  ['pct_by_version_24h_approx',
    "select prompt_version, quantile_cont(latency_us, 0.5), quantile_cont(latency_us, 0.95), quantile_cont(latency_us, 0.99) from spans where kind = 'llm' group by 1 order by 1",
    "select prompt_version, p50(latency_ms), p95(latency_ms), p99(latency_ms) from spans where kind = 'llm' group by 1 order by 1",
    ['x', ['q', MS], ['q', MS], ['q', MS]],
    "select prompt_version, approx_quantile(latency_us, [0.5, 0.95, 0.99]) from spans where kind = 'llm' group by 1 order by 1"],
  ['ttft_5m_model_6h',
    `select time_us // 300000000 * 300000000, model, quantile_cont(ttft_us, 0.5), quantile_cont(ttft_us, 0.99), count(*) from spans where kind = 'llm' and time_us >= ${endUs - 6n * hourUs} group by 1, 2 order by 1, 2`,
    `select time_bucket('5m', time), model, quantile_exact(ttft_ms, 0.5), quantile_exact(ttft_ms, 0.99), count(*) from spans where kind = 'llm' and time >= '${iso(endUs - 6n * hourUs)}' group by 1, 2 order by 1, 2`,
    ['t', 'x', ['n', MS], ['n', MS], 'n']],
  ['drift_rolling',
    `with m as (select prompt_name p, prompt_version v, time_us // 60000000 b, sum("score.groundedness") s, count("score.groundedness") n from spans where "score.groundedness" is not null group by 1, 2, 3)
     select p, v, b * 60000000, sum(s) over w / sum(n) over w from m window w as (partition by p, v order by b range between 59 preceding and current row) order by 1, 2, 3`,
    "select prompt_name, prompt_version, time_bucket('1m', time), avg(score.groundedness) from spans where score.groundedness is not null group by 1, 2, time_bucket('1m', time) rolling '1h' order by 1, 2, 3",
    ['x', 'x', 't', 'n']],
  ['drift_now_vs_24h',
    `select * from (select prompt_name, prompt_version, avg("score.groundedness") filter (where time_us >= ${endUs - hourUs}) a, avg("score.groundedness") filter (where time_us < ${endUs - hourUs}) b, count("score.groundedness") from spans group by 1, 2) order by b - a desc nulls last, 1, 2 limit 10`,
    `select * from (select prompt_name, prompt_version, avg(score.groundedness) filter (where time >= '${iso(endUs - hourUs)}') as a, avg(score.groundedness) filter (where time < '${iso(endUs - hourUs)}') as b, count(score.groundedness) as n from spans group by 1, 2) x order by b - a desc nulls last, prompt_name, prompt_version limit 10`,
    ['x', 'x', 'n', 'n', 'n']],
  ['cost_baseline_hourly',
    "select time_us // 3600000000 * 3600000000, model, sum(cost_nusd), avg(cost_nusd), count(*) from spans where kind in ('llm', 'embedding') group by 1, 2 order by 1, 2",
    "select time_bucket('1h', time), model, sum(cost_usd), avg(cost_usd), count(*) from spans where kind in ('llm', 'embedding') group by 1, 2 order by 1, 2",
    ['t', 'x', ['n', USD], ['n', USD], 'n']],
  ['error_rate_5m',
    "select time_us // 300000000 * 300000000, count(*) filter (where error_class <> '') * 1.0 / count(*) from spans group by 1 order by 1",
    "select time_bucket('5m', time), count(*) filter (where error_class <> 'none') * 1.0 / count(*) from spans group by 1 order by 1",
    ['t', 'n']],
  ['class_by_version',
    "select prompt_name, prompt_version, error_class, count(*) from spans where error_class <> '' group by 1, 2, 3 order by 1, 2, 3",
    "select prompt_name, prompt_version, error_class, count(*) from spans where error_class <> 'none' group by 1, 2, 3 order by 1, 2, 3",
    ['x', 'x', 'x', 'n']],
  ['session_lookup',
    `select time_us, kind, model, latency_us, cost_nusd from spans where session = '${session}' order by time_us, latency_us`,
    `select time, kind, model, latency_ms, cost_usd from spans where session = '${session}' order by time, latency_ms`,
    ['t', 'x', 'x', ['n', MS], ['n', USD]]],
  ['trace_lookup',
    `select * from spans where trace_id = '${trace}' order by time_us`, `select * from spans where trace_id = '${trace}' order by time`,
    []],
  ['rare_class_latest',
    "select time_us, trace_id, session, prompt_version from spans where error_class = 'jailbreak' order by time_us desc limit 20",
    "select time, trace_id, session, prompt_version from spans where error_class = 'jailbreak' order by time desc limit 20",
    ['t', 'x', 'x', 'x']],
  ['top_sessions_cost',
    'select session, sum(cost_nusd) c, count(*) from spans group by 1 order by 2 desc, 1 limit 20',
    'select session, sum(cost_usd) as c, count(*) from spans group by 1 order by 2 desc, 1 limit 20',
    ['x', ['n', USD], 'n']],
];

function cellDiffers(kind, theirs, mine) {
  const [how, scale] = Array.isArray(kind) ? kind : [kind, 1];
  if (theirs === null || mine === null) return !(theirs === null && mine === null);
  if (how === 'x') return String(theirs) !== String(mine);
  if (how === 't') return BigInt(theirs) !== BigInt(Date.parse(mine.replace(/(\.\d{3})\d*Z$/, '$1Z'))) * 1000n + BigInt((/\.\d{3}(\d{3})/.exec(mine.replace(/(\.\d+)Z$/, (m, f) => f.padEnd(10, '0') + 'Z')) ?? [0, '0'])[1]);
  const a = Number(theirs) * scale, b = Number(mine);
  return Math.abs(a - b) > (how === 'q' ? 0.008 : 1e-9) * Math.max(Math.abs(a), Math.abs(b)) + 1e-12;
}

function firstDifference(kinds, theirs, mine) {
  if (theirs.length !== mine.length) return `${theirs.length} rows against our ${mine.length}`;
  for (let r = 0; r < theirs.length; r++)
    for (let c = 0; c < kinds.length; c++)
      if (cellDiffers(kinds[c], theirs[r][c], mine[r][c])) return `row ${r} column ${c}: ${theirs[r][c]} against our ${mine[r][c]}`;
  return null;
}

async function timed(run) {
  const times = [];
  let rows;
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    rows = await run();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return { rows, median: times[times.length >> 1] };
}

let differences = 0;
console.log('question                        rows   ours ms  DuckDB ms   ratio  answer');
for (const [name, duckSql, ourSql, kinds, duckTimedSql] of questions) {
  const mine = await timed(() => ours(ourSql));
  const theirs = await timed(() => duck(duckTimedSql ?? duckSql));
  const expected = duckTimedSql ? await duck(duckSql) : theirs.rows;
  const difference = firstDifference(kinds, expected, mine.rows);
  if (difference) differences++;
  console.log(`${name.padEnd(28)} ${String(mine.rows.length).padStart(7)} ${mine.median.toFixed(1).padStart(9)} ${theirs.median.toFixed(1).padStart(10)} ${(mine.median / theirs.median).toFixed(2).padStart(7)}  ${difference ?? 'same'}`);
}
process.exit(differences ? 1 : 0);
