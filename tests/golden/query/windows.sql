SELECT time_bucket('6h', time) AS b, count(*), sum(tokens_in), max(latency_ms), p95(latency_ms), count(DISTINCT session) FROM spans GROUP BY b ROLLING '12h';
SELECT time_bucket('1h', time) AS b, model, avg(score.groundedness) FROM spans WHERE model = 'gpt-4o' AND time >= '2026-11-01T20:00:00Z' GROUP BY b, model ROLLING '3h' ORDER BY b;
SELECT drift(score.groundedness, '2h', '12h') AS d FROM spans;
SELECT model, drift(score.groundedness, '2h', '12h') AS d, count(*) FROM spans WHERE model IS NOT NULL GROUP BY model;
SELECT model, round(drift(score.groundedness, '2h', '12h', 1), 6) AS d, count(*) FROM spans WHERE time >= now() - interval '1h' GROUP BY model;
SELECT time_bucket('1h', time) AS b, round(drift(score.groundedness, '2h', '12h'), 6) AS d, count(*) AS n FROM spans WHERE time >= '2026-11-01T19:30:00Z' GROUP BY b;
SELECT time_bucket('1h', time) AS b, baseline(latency_ms, '28d') AS base FROM spans GROUP BY b LIMIT 2;
