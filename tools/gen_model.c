/*
 * gen_model.c - traces: an agent at the root, a look-up, some tool calls, an answer.
 *
 * Numbers: tokens in and out are lognormal as fitted to the Azure Public Dataset's conversation trace of 2023
 *          (AzureLLMInferenceTrace_conv, CC-BY 4.0; 19,366 requests): in mu 6.63 sigma 0.98, out mu 5.02 sigma
 *          0.85. Failure shares are round figures. Traffic follows the hour of the day and the weekday.
 */
#include "tools/gen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"

#define TOKENS_IN_MU     6.63
#define TOKENS_IN_SIGMA  0.98
#define TOKENS_OUT_MU    5.02
#define TOKENS_OUT_SIGMA 0.85
#define SLICE_NS         (300 * NS_PER_S)
#define SLICES_MAX       100000
#define DAY_SWING        0.45 /* the busiest hour has 1.45 times the mean */
#define BUSIEST_HOUR     15.0
#define WEEKEND_SHARE    0.6
#define SCORED_SHARE     0.5
#define CANARY_FROM      0.9 /* the newest version, for a tenth of the traffic */
#define VERSION_UNTIL    0.4 /* then the next one takes over */
#define TRACE_HISTORY    14u /* most messages a trace adds */

static const struct service {
    const char *name, *release;
    uint32_t weight;
    double retrieval;
    uint32_t tools;
} services[] = {
#define SERVICE(name, release, weight, retrieval, tools) {name, release, weight, retrieval, tools},
#define PROMPT(...)
#define MODEL(...)
#include "tools/gen_tables.def"
#undef SERVICE
#undef PROMPT
#undef MODEL
};

static const struct prompt {
    uint32_t service;
    const char *name;
    uint32_t version;
    uint32_t weight;
    uint32_t model;
    const char *topic;
} prompts[] = {
#define SERVICE(...)
#define PROMPT(service, name, version, weight, model, topic)                                       \
    {service, name, version, weight, model, topic},
#define MODEL(...)
#include "tools/gen_tables.def"
#undef SERVICE
#undef PROMPT
#undef MODEL
};

static const struct model {
    const char *name, *served, *provider;
    double usd_in, usd_out; /* per million tokens */
    int64_t token_ns;
} models[] = {
#define SERVICE(...)
#define PROMPT(...)
#define MODEL(name, served, provider, usd_in, usd_out, token_ns)                                   \
    {name, served, provider, usd_in, usd_out, token_ns},
#include "tools/gen_tables.def"
#undef SERVICE
#undef PROMPT
#undef MODEL
};

static const char *const tools[] = {"get_order",   "search_products", "refund_status",
                                    "run_tests",   "read_file",       "query_sales",
                                    "create_note", "list_tickets"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a trace under way knows. */
struct trace {
    struct gen *g;
    const struct service *service;
    const struct prompt *prompt;
    const struct model *model;
    struct gen_session *session;
    const char *version;
    struct id128 id;
    uint64_t root_id;
    int64_t now_ns;
    double position; /* share of all traffic before it */
    bool regressed;
    bool failed;
};

/* ---- set up ---- */

static double hour_weight(int64_t time_ns)
{
    double hour = (double)(time_ns % NS_PER_DAY) / (double)NS_PER_HOUR;
    int64_t weekday = (time_ns / NS_PER_DAY + 4) % 7; /* 1970-01-01 was a Thursday; 0: Sunday */
    double weight = 1 + DAY_SWING * cos((hour - BUSIEST_HOUR) / 24 * 2 * M_PI);
    return weekday == 0 || weekday == 6 ? weight * WEEKEND_SHARE : weight;
}

static void density_make(struct gen *g)
{
    int64_t span_ns = g->options.until_ns - g->options.from_ns;
    int64_t slices = span_ns / SLICE_NS + 1;
    g->slices = (uint32_t)(slices > SLICES_MAX ? SLICES_MAX : slices);
    g->density = mem_zero((size_t)g->slices + 1, sizeof *g->density);
    for (uint32_t i = 0; i < g->slices; i++) {
        double middle = ((double)i + 0.5) / (double)g->slices * (double)span_ns;
        g->density[i + 1] = g->density[i] + hour_weight(g->options.from_ns + (int64_t)middle);
    }
}

/* When the traffic has this share behind it. */
static int64_t time_at(const struct gen *g, double share)
{
    double wanted = share * g->density[g->slices];
    uint32_t low = 0;
    uint32_t high = g->slices;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (g->density[middle] <= wanted)
            low = middle;
        else
            high = middle;
    }
    double inside = (wanted - g->density[low]) / (g->density[low + 1] - g->density[low]);
    double place = ((double)low + inside) / (double)g->slices;
    return g->options.from_ns +
           (int64_t)(place * (double)(g->options.until_ns - g->options.from_ns));
}

static enum status regress_check(const struct gen_regress *r, struct error *reterr)
{
    char known[512] = "";
    char version[32];
    size_t used = 0;
    if (r->prompt[0] == 0)
        return STATUS_OK;
    for (size_t i = 0; i < COUNT(prompts); i++) {
        const struct prompt *p = &prompts[i];
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s v%u-v%u",
                                 i == 0 ? "" : ", ", p->name, p->version, p->version + 2);
        for (uint32_t v = p->version; v <= p->version + 2; v++) {
            (void)snprintf(version, sizeof version, "v%u", v);
            if (strcmp(p->name, r->prompt) == 0 &&
                (r->version[0] == 0 || strcmp(version, r->version) == 0))
                return STATUS_OK;
        }
    }
    return error_set(reterr, STATUS_INVALID, "--regress: there is no prompt %s %s; there are %s",
                     r->prompt, r->version, known);
}

enum status gen_init(struct gen *g, const struct gen_options *options, struct error *reterr)
{
    enum status s = regress_check(&options->regress, reterr);
    if (s < 0)
        return s;
    *g = (struct gen){.options = *options, .started_ns = clock_monotonic_ns()};
    rng_init(&g->rng, options->seed);
    g->sessions = mem_zero(GEN_SESSIONS, sizeof *g->sessions);
    if (g->options.until_ns <= g->options.from_ns)
        g->options.until_ns = g->options.from_ns + 1;
    density_make(g);
    return STATUS_OK;
}

void gen_deinit(struct gen *g)
{
    for (uint32_t i = 0; g->sessions != NULL && i < GEN_SESSIONS; i++)
        gen_history_clear(&g->sessions[i]);
    mem_free(g->sessions);
    mem_free(g->density);
    arena_deinit(&g->arena);
    buffer_deinit(&g->text);
    *g = (struct gen){0};
}

/* ---- dice ---- */

static double lognormal(struct gen *g, double mu, double sigma)
{
    return exp(mu + sigma * rng_normal(&g->rng));
}

static int64_t clamp(double value, double low, double high)
{
    return (int64_t)(value < low ? low : value > high ? high : value);
}

static bool chance(struct gen *g, double share)
{
    return rng_unit(&g->rng) < share;
}

static double score_near(struct gen *g, double mean, double sigma)
{
    double score = mean + sigma * rng_normal(&g->rng);
    return score < 0 ? 0 : score > 1 ? 1 : score;
}

/* Scores have four decimals, as judges give them. */
static double four_places(double score)
{
    return round((score < 0 ? 0 : score > 1 ? 1 : score) * 10000) / 10000;
}

static uint64_t id_make(struct gen *g)
{
    uint64_t id = rng_u64(&g->rng);
    return id != 0 ? id : 1;
}

static uint32_t service_pick(struct gen *g)
{
    uint32_t total = 0;
    for (size_t i = 0; i < COUNT(services); i++)
        total += services[i].weight;
    uint64_t left = rng_below(&g->rng, total);
    uint32_t i = 0;
    for (; left >= services[i].weight; i++)
        left -= services[i].weight;
    return i;
}

static const struct prompt *prompt_pick(struct gen *g, uint32_t service)
{
    uint64_t left = rng_below(&g->rng, 100); /* the weights of a service add up to 100 */
    const struct prompt *last = NULL;
    for (size_t i = 0; i < COUNT(prompts); i++) {
        if (prompts[i].service != service)
            continue;
        last = &prompts[i];
        if (left < prompts[i].weight)
            return last;
        left -= prompts[i].weight;
    }
    ASSERT(last != NULL);
    return last;
}

static struct gen_session *session_pick(struct gen *g)
{
    struct gen_session *s = &g->sessions[rng_below(&g->rng, GEN_SESSIONS)];
    if (s->turns_left > 0 && s->history_count + TRACE_HISTORY <= GEN_HISTORY_MAX) {
        s->turns_left--;
        return s;
    }
    gen_history_clear(s);
    s->service = service_pick(g);
    s->turns_left = (uint32_t)(-2.5 * log(1 - rng_unit(&g->rng)));
    double user = rng_unit(&g->rng);
    (void)snprintf(s->name, sizeof s->name, "s%llx-%llu",
                   (unsigned long long)(g->options.seed & 0xffff),
                   (unsigned long long)++g->sessions_made);
    (void)snprintf(s->user, sizeof s->user, "u%u", (unsigned)(user * user * 20000));
    return s;
}

/* ---- spans ---- */

static struct gen_span *span_begin(struct trace *t, const char *kind, const char *name,
                                   uint64_t parent_id)
{
    struct gen *g = t->g;
    ASSERT(g->span_count < GEN_TRACE_SPANS_MAX);
    struct gen_span *s = &g->spans[g->span_count++];
    *s = (struct gen_span){
        .time_ns = t->now_ns,
        .ttft_ns = GEN_NO_INT,
        .trace_id = t->id,
        .span_id = id_make(g),
        .parent_id = parent_id,
        .session = t->session->name,
        .user_id = t->session->user,
        .service = t->service->name,
        .environment = "production",
        .release = t->service->release,
        .kind = kind,
        .name = name,
        .prompt_name = t->prompt->name,
        .prompt_version = t->version,
        .temperature = (double)NAN,
        .status = "ok",
        .http_status = GEN_NO_INT,
        .tokens_in = GEN_NO_INT,
        .tokens_out = GEN_NO_INT,
        .tokens_cached = GEN_NO_INT,
        .cost_nusd = GEN_NO_INT,
        .tool_result_empty = GEN_NO_INT,
        .retrieved_count = GEN_NO_INT,
        .retrieved_top_score = (double)NAN,
        .groundedness = (double)NAN,
        .relevance = (double)NAN,
        .toxicity = (double)NAN,
    };
    return s;
}

static void span_end(struct trace *t, struct gen_span *s, double latency_ns)
{
    s->latency_ns = clamp(latency_ns, 1000, 600e9);
    t->now_ns += s->latency_ns + (int64_t)rng_below(&t->g->rng, 2000000);
}

static void span_fails(struct trace *t, struct gen_span *s, const char *class, const char *type,
                       const char *message, int64_t http_status)
{
    s->error_class = class;
    s->error_type = type;
    s->error_message = message;
    s->http_status = http_status;
    s->status = "error";
    t->failed = true;
}

static void look_up(struct trace *t)
{
    struct gen *g = t->g;
    struct gen_span *e = span_begin(t, "embedding", "embed.query", t->root_id);
    e->provider = "openai";
    e->model = e->model_served = "text-embedding-3-small";
    e->tokens_in = clamp(lognormal(g, 3.4, 0.6), 3, 2000);
    e->cost_nusd = e->tokens_in * 20; /* 0.02 USD a million */
    e->pricing_version = "list-2025-10";
    span_end(t, e, lognormal(g, 17.2, 0.4));

    struct gen_span *r = span_begin(t, "retrieval", "vector.search", t->root_id);
    r->retrieved_count = chance(g, 0.04) ? 0 : 1 + (int64_t)rng_below(&g->rng, 8);
    double top = score_near(g, 0.78, 0.09);
    buffer_reset(&g->text);
    for (int64_t i = 0; i < r->retrieved_count; i++)
        buffer_printf(&g->text, "%s{\"id\":\"doc-%llu\",\"score\":%.3f}", i == 0 ? "" : ",",
                      (unsigned long long)rng_below(&g->rng, 5000), top * (1 - 0.04 * (double)i));
    r->retrieved = arena_printf(&g->arena, "[%.*s]", SLICE_ARG(buffer_slice(&g->text)));
    if (r->retrieved_count > 0)
        r->retrieved_top_score = round(top * 1000) / 1000;
    span_end(t, r, lognormal(g, 17.9, 0.5));
}

static void set_usage(struct trace *t, struct gen_span *s, size_t history_bytes)
{
    struct gen *g = t->g;
    double in = lognormal(g, TOKENS_IN_MU, TOKENS_IN_SIGMA);
    if (g->options.text)
        in = (double)history_bytes / 4;
    s->tokens_in = clamp(in, 8, 120000);
    s->tokens_out = clamp(lognormal(g, TOKENS_OUT_MU, TOKENS_OUT_SIGMA), 1, 4096);
    s->tokens_cached = 0;
    if (chance(g, 0.35))
        s->tokens_cached = (int64_t)((double)s->tokens_in * (0.5 + 0.4 * rng_unit(&g->rng)));
}

/* List prices are USD per million tokens: nano-USD a token is a thousand times that; cached input costs half. */
static void set_cost(const struct trace *t, struct gen_span *s)
{
    double in = (double)s->tokens_in - 0.5 * (double)s->tokens_cached;
    s->cost_nusd =
        (int64_t)(in * t->model->usd_in * 1000 + (double)s->tokens_out * t->model->usd_out * 1000);
    s->pricing_version = "list-2025-10";
}

/* Failures of a model call, at most one. True when there is no answer. */
static bool call_fails(struct trace *t, struct gen_span *s, bool calls_tool)
{
    double dice = rng_unit(&t->g->rng);
    if (dice < 0.004) {
        span_fails(t, s, "timeout", "TimeoutError", "no answer within 30 s", 504);
        return true;
    }
    if (dice < 0.010) {
        span_fails(t, s, "rate_limit", "RateLimitError", "too many tokens a minute", 429);
        return true;
    }
    if (dice < 0.013) {
        s->error_class = "truncation";
        s->finish_reason = "length";
    } else if (dice < 0.015 && calls_tool) {
        s->error_class = "tool_call_malformed";
    } else if (dice < 0.017 && !calls_tool) {
        s->error_class = "refusal";
    } else if (dice < 0.021 && !calls_tool) {
        s->error_class = "hallucination";
    } else if (dice < 0.0212) {
        s->error_class = "jailbreak";
    }
    return false;
}

static bool class_is(const struct gen_span *s, const char *class)
{
    return s->error_class != NULL && strcmp(s->error_class, class) == 0;
}

static void set_scores(struct trace *t, struct gen_span *s)
{
    struct gen *g = t->g;
    const struct gen_regress *r = &g->options.regress;
    double groundedness = score_near(g, 0.91, 0.05);
    double relevance = score_near(g, 0.88, 0.06);
    double toxicity = fabs(rng_normal(&g->rng)) * 0.01;
    if (class_is(s, "hallucination"))
        groundedness -= 0.4;
    if (class_is(s, "jailbreak"))
        toxicity += 0.7;
    bool scored = chance(g, SCORED_SHARE) || s->error_class != NULL;
    if (t->regressed) {
        groundedness -= strcmp(r->score, "groundedness") == 0 ? r->by : 0;
        relevance -= strcmp(r->score, "relevance") == 0 ? r->by : 0;
        toxicity += strcmp(r->score, "toxicity") == 0 ? r->by : 0;
    }
    if (!scored)
        return;
    s->groundedness = four_places(groundedness);
    s->relevance = four_places(relevance);
    s->toxicity = four_places(toxicity);
}

static size_t history_bytes(const struct gen_session *s)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < s->history_count; i++)
        bytes += s->history[i].body.size;
    return bytes;
}

/* One model call; its answer is a tool call or the final one. Returns whether there was one. */
static bool llm_call(struct trace *t, const char *tool, const char *call_id, const char *args,
                     uint64_t *ret_span_id)
{
    struct gen *g = t->g;
    struct gen_session *session = t->session;
    struct gen_span *s = span_begin(t, "llm", "chat", t->root_id);
    *ret_span_id = s->span_id;
    s->provider = t->model->provider;
    s->model = t->model->name;
    s->model_served = t->model->served;
    s->temperature = t->prompt->service == 2 ? 0 : 0.7;
    s->http_status = 200;
    s->finish_reason = tool != NULL ? "tool_calls" : "stop";
    set_usage(t, s, history_bytes(session));
    s->input_count = session->history_count;
    bool failed = call_fails(t, s, tool != NULL);
    double ttft = lognormal(g, 19.4, 0.45) + (double)s->tokens_in * 20000;
    double latency =
        ttft + (double)s->tokens_out * (double)t->model->token_ns * lognormal(g, 0, 0.2);
    if (t->regressed && g->options.regress.latency_factor > 0)
        latency *= g->options.regress.latency_factor;
    if (failed) {
        s->finish_reason = NULL;
        s->tokens_out = s->tokens_cached = 0;
        s->tokens_in = class_is(s, "timeout") ? s->tokens_in : 0;
        latency = class_is(s, "timeout") ? 30e9 : lognormal(g, 17.5, 0.5);
    } else {
        s->ttft_ns = clamp(ttft, 1000, 600e9);
        set_cost(t, s);
    }
    if (tool == NULL && !failed)
        set_scores(t, s);
    if (g->options.text && !failed) {
        if (tool != NULL)
            gen_text_call(g, session, tool, call_id, args);
        else
            gen_text_answer(g, session, t->prompt->topic, class_is(s, "refusal"));
        s->history = session->history;
        s->output_count = 1;
    }
    span_end(t, s, latency);
    return !failed;
}

static void tool_call(struct trace *t)
{
    struct gen *g = t->g;
    const char *tool = tools[rng_below(&g->rng, COUNT(tools))];
    char *call_id = arena_printf(&g->arena, "call_%016llx", (unsigned long long)rng_u64(&g->rng));
    char *args = gen_tool_args(g);
    uint64_t caller;
    if (!llm_call(t, tool, call_id, args, &caller))
        return;
    struct gen_span *s = span_begin(t, "tool", "execute_tool", caller);
    bool failed = chance(g, 0.01);
    bool empty = !failed && chance(g, 0.03);
    s->tool_name = tool;
    s->tool_call_id = call_id;
    s->tool_args = args;
    s->tool_result = gen_tool_result(g, empty, failed);
    s->tool_result_empty = empty;
    if (failed)
        span_fails(t, s, "tool_error", "HTTPError", "upstream answered 500", 500);
    t->failed = false; /* the agent goes on */
    if (g->options.text)
        gen_text_result(g, t->session, tool, call_id, s->tool_result);
    span_end(t, s, lognormal(g, 18.5, 0.8));
}

/* ---- traces ---- */

static const char *version_pick(struct trace *t)
{
    uint32_t version = t->prompt->version;
    if (t->position >= VERSION_UNTIL)
        version++;
    if (t->position >= CANARY_FROM && chance(t->g, 0.1))
        version = t->prompt->version + 2;
    return arena_printf(&t->g->arena, "v%u", version);
}

static bool is_regressed(const struct trace *t)
{
    const struct gen_regress *r = &t->g->options.regress;
    if (r->prompt[0] == 0 || strcmp(r->prompt, t->prompt->name) != 0 ||
        (r->version[0] != 0 && strcmp(r->version, t->version) != 0))
        return false;
    if (r->after >= 0)
        return t->position >= r->after;
    return clock_monotonic_ns() - t->g->started_ns >= r->after_ns;
}

static double position_of(const struct gen *g)
{
    return g->options.spans == 0 ? CANARY_FROM : (double)g->made / (double)g->options.spans;
}

static void trace_fill(struct trace *t)
{
    struct gen *g = t->g;
    uint64_t ignored;
    struct gen_span *root = span_begin(t, "agent", "agent.run", 0);
    int64_t start_ns = t->now_ns;
    t->root_id = root->span_id;
    t->now_ns += 500000;
    if (g->options.text && t->session->history_count == 0)
        gen_text_system(g, t->session, t->service->name);
    if (g->options.text)
        gen_text_user(g, t->session, t->prompt->topic);
    if (chance(g, t->service->retrieval))
        look_up(t);
    /* Few traces need many tools. */
    double most = (double)t->service->tools + 1;
    uint32_t calls = (uint32_t)(rng_unit(&g->rng) * rng_unit(&g->rng) * most);
    for (; calls > 0 && !t->failed; calls--)
        tool_call(t);
    if (!t->failed)
        (void)llm_call(t, NULL, NULL, NULL, &ignored);
    root->status = t->failed ? "error" : "ok";
    root->latency_ns = t->now_ns - start_ns;
}

/* A live trace has just ended. */
static void trace_move(struct gen *g, int64_t by_ns)
{
    for (uint32_t i = 0; i < g->span_count; i++)
        g->spans[i].time_ns += by_ns;
}

bool gen_trace(struct gen *g)
{
    uint64_t spans = g->options.spans;
    if (spans != 0 && g->made >= spans)
        return false;
    arena_reset(&g->arena);
    g->span_count = 0;
    struct trace t = {.g = g, .session = session_pick(g), .position = position_of(g)};
    uint64_t halves[2] = {id_make(g), id_make(g)};
    memcpy(t.id.bytes, halves, sizeof halves);
    t.service = &services[t.session->service];
    t.prompt = prompt_pick(g, t.session->service);
    /* A tenth of the calls goes to another model, as when somebody tries one out. */
    t.model = &models[chance(g, 0.1) ? rng_below(&g->rng, COUNT(models)) : t.prompt->model];
    t.version = version_pick(&t);
    t.regressed = is_regressed(&t);
    int64_t start_ns = g->options.live ? clock_wall_ns() : time_at(g, t.position);
    t.now_ns = start_ns;
    trace_fill(&t);
    if (g->options.live)
        trace_move(g, start_ns - t.now_ns);
    if (spans != 0 && g->span_count > spans - g->made)
        g->span_count = (uint32_t)(spans - g->made);
    g->made += g->span_count;
    g->traces++;
    return true;
}

/* ---- --regress ---- */

static enum status regress_member(struct gen_regress *r, const char *key, const char *value,
                                  struct error *reterr)
{
    char *end = NULL;
    double number = strtod(value, &end);
    bool is_number = end != value && *end == 0 && isfinite(number) && number >= 0;
    if (strcmp(key, "prompt") == 0) {
        (void)snprintf(r->prompt, sizeof r->prompt, "%s", value);
    } else if (strcmp(key, "version") == 0) {
        (void)snprintf(r->version, sizeof r->version, "%s", value);
    } else if (strcmp(key, "score") == 0) {
        if (strcmp(value, "groundedness") != 0 && strcmp(value, "relevance") != 0 &&
            strcmp(value, "toxicity") != 0)
            return error_set(reterr, STATUS_INVALID,
                             "--regress: score is groundedness, relevance or toxicity, not '%s'",
                             value);
        (void)snprintf(r->score, sizeof r->score, "%s", value);
    } else if (strcmp(key, "by") == 0 && is_number) {
        r->by = number;
    } else if (strcmp(key, "latency") == 0 && is_number) {
        r->latency_factor = number;
    } else if (strcmp(key, "after") == 0 && is_number && number <= 1) {
        r->after = number;
    } else if (strcmp(key, "after") == 0 && duration_from_text(slice_text(value), &r->after_ns)) {
        r->after = -1;
    } else {
        return error_set(reterr, STATUS_INVALID,
                         "--regress: '%s=%s' is not one of prompt=NAME, version=vN, score=NAME, "
                         "by=X, latency=FACTOR, after=SHARE or after=DURATION",
                         key, value);
    }
    return STATUS_OK;
}

enum status gen_regress_parse(const char *text, struct gen_regress *ret, struct error *reterr)
{
    struct gen_regress r = {.by = 0.08, .after = 0.8};
    char copy[256];
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return error_set(reterr, STATUS_INVALID, "--regress: more than %zu characters",
                         sizeof copy - 1);
    (void)snprintf(r.score, sizeof r.score, "groundedness");
    char *save = NULL;
    for (char *pair = strtok_r(copy, ",", &save); pair != NULL; pair = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(pair, '=');
        if (equals == NULL)
            return error_set(reterr, STATUS_INVALID, "--regress: '%s' is not KEY=VALUE", pair);
        *equals = 0;
        enum status s = regress_member(&r, pair, equals + 1, reterr);
        if (s < 0)
            return s;
    }
    if (r.prompt[0] == 0)
        return error_set(reterr, STATUS_INVALID, "--regress: prompt=NAME is missing");
    *ret = r;
    return STATUS_OK;
}
