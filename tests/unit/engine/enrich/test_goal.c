/*
 * test_goal.c - goals and context: worked examples; on real trajectories, whether a step is told from one that follows
 * somebody else's goal, and how well loops and drift together rank the runs that failed.
 */
#include "tests/unit/engine/enrich/scorer_fixture.h"
#include "tests/unit/engine/enrich/trajectory.h"

#define USER(text)  "{\"role\":\"user\",\"content\":\"" text "\"}"
#define AGENT(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"

static double on_goal(struct fixture *f, const char *answer)
{
    f->view.output_count = 0;
    fixture_output(f, answer);
    return fixture_run(f, SCORER_on_goal);
}

Test(goal, a_step_towards_the_objective_is_nearer_than_one_away_from_it)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, "{\"role\":\"system\",\"content\":\"You help with weather and cooking.\"}");
    fixture_input(f, USER("Hi!"));
    fixture_input(f, AGENT("Hello, how can I help?"));
    fixture_input(f, USER("Cancel my hotel reservation in Lisbon for next Friday"));
    double call = on_goal(f, "{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":"
                             "\"cancel_reservation\",\"arguments\":\"{\\\"city\\\":\\\"Lisbon\\\"}"
                             "\"}}]}");
    double said_near = on_goal(f, AGENT("Your Lisbon hotel reservation is cancelled."));
    double said_far = on_goal(f, AGENT("Here is a recipe for tomato soup with basil."));
    cr_expect_gt(call, 0.4);
    cr_expect_gt(said_near, 0.4);
    cr_expect_eq(said_far, 0);
    cr_expect_gt(fixture_score(f, SCORER_on_goal)->finding.size, 0);
    fixture_end(f);
}

Test(goal, the_objective_may_change_and_the_first_one_still_counts)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, USER("Cancel my hotel reservation in Lisbon for next Friday"));
    fixture_input(f, AGENT("Done. Anything else, perhaps a restaurant or a museum?"));
    const char *jazz = AGENT("Jazz albums from 1959: Kind of Blue, Time Out.");
    cr_expect_eq(on_goal(f, jazz), 0);
    fixture_input(f, USER("Recommend jazz albums from 1959 with trumpet and piano"));
    double changed = on_goal(f, jazz);
    cr_expect_gt(changed, 0.4);
    cr_expect_gt(on_goal(f, AGENT("The Lisbon hotel reservation was cancelled.")), 0.2);
    fixture_input(f, AGENT("Jazz albums from 1959: Kind of Blue, Time Out."));
    fixture_input(f, USER("And which museums open on Sunday?"));
    double past = on_goal(f, jazz);
    cr_expect_gt(past, 0);
    cr_expect_lt(past, changed / 1.5);
    fixture_end(f);
}

Test(goal, shared_numbers_say_more_than_shared_words)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, USER("please move flight HAT069 to another date"));
    double number = on_goal(f, AGENT("HAT069 departs in the morning"));
    double word = on_goal(f, AGENT("the flight departs in the morning"));
    cr_expect_gt(number, 2 * word);
    fixture_end(f);
}

Test(goal, without_an_objective_or_a_step_there_is_no_score)
{
    struct fixture *f = fixture_begin(NULL);
    cr_expect(isnan(on_goal(f, AGENT("Cancelled the hotel"))));
    fixture_input(f, USER("Hi you!"));
    cr_expect(isnan(on_goal(f, AGENT("Cancelled the hotel"))));
    fixture_input(f, USER("Cancel my hotel reservation"));
    cr_expect_not(isnan(on_goal(f, AGENT("Cancelled the hotel"))));
    cr_expect(isnan(on_goal(f, AGENT("it is what it is"))));
    f->view.kind = slice_text("agent");
    cr_expect(isnan(on_goal(f, AGENT("Cancelled the hotel"))));
    fixture_end(f);
}

Test(goal, context_is_kept_while_told_facts_are_used)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, USER("I am Ada Lovelace, customer 4711, born 1815"));
    fixture_output(f, AGENT("Thank you."));
    cr_expect(isnan(fixture_run(f, SCORER_context_kept)), "there is no earlier turn");
    fixture_input(f, AGENT("Thank you."));
    fixture_input(f, USER("What was my number?"));
    f->view.output_count = 0;
    fixture_output(f, AGENT("Who are you?"));
    cr_expect_eq(fixture_run(f, SCORER_context_kept), 0);
    f->view.output_count = 0;
    fixture_output(f, AGENT("Ada, it is 4711."));
    /* Ada, Lovelace, 4711, 1815 were told. */
    cr_expect_float_eq(fixture_run(f, SCORER_context_kept), 2.0 / 4, 1e-12);
    fixture_input(f, "{\"role\":\"tool\",\"content\":\"{\\\"born\\\":1815}\"}");
    cr_expect_float_eq(fixture_run(f, SCORER_context_kept), 3.0 / 4, 1e-12);
    fixture_end(f);
}

struct runs {
    struct trajectory *all;
    uint32_t count;
    struct buffer file;
};

/* False: the shared data is not here. */
static bool runs_read(struct runs *r)
{
    *r = (struct runs){0};
    if (!shared_file("data/tau_bench_gpt4o_airline.json", &r->file))
        return false;
    r->all = mem_zero(TRAJECTORIES_MAX, sizeof *r->all);
    r->count = trajectories_read(buffer_slice(&r->file), r->all, TRAJECTORIES_MAX);
    cr_assert_gt(r->count, 50);
    return true;
}

static void runs_deinit(struct runs *r)
{
    mem_free(r->all);
    buffer_deinit(&r->file);
}

/* The generation at message `at` of a run. */
static void step_view(struct fixture *f, const struct trajectory *t, uint32_t at)
{
    fixture_span(f);
    memcpy(f->input, t->messages, at * sizeof *f->input);
    f->view.input_count = at;
    f->output[0] = t->messages[at];
    f->view.output_count = 1;
    arena_reset(&f->arena);
}

/* Puts what another run's user said in the place of what this one's said, up to message `until`. */
static void users_exchange(struct fixture *f, const struct trajectory *own,
                           const struct trajectory *other, uint32_t until)
{
    uint32_t from = 0;
    for (uint32_t i = 0; i < until; i++) {
        if (!own->is_user[i])
            continue;
        while (from < other->count && !other->is_user[from])
            from++;
        if (from == other->count)
            return;
        f->input[i] = other->messages[from++];
    }
}

struct samples {
    double *values;
    size_t capacity;
    size_t count;
};

static void sample_add(struct samples *s, double value)
{
    if (isnan(value))
        return;
    s->values = mem_grow(s->values, &s->capacity, s->count + 1, sizeof *s->values);
    s->values[s->count++] = value;
}

/* Every step with its own user's words and with those of a run half the file away. */
static double own_against_other(struct runs *r, struct fixture *f, enum scorer_id id,
                                bool only_calls)
{
    struct samples own = {0};
    struct samples other = {0};
    for (uint32_t i = 0; i < r->count; i++) {
        const struct trajectory *t = &r->all[i];
        const struct trajectory *stranger = &r->all[(i + r->count / 2 + 1) % r->count];
        for (uint32_t at = 0; at < t->count; at++) {
            if (!t->is_step[at])
                continue;
            step_view(f, t, at);
            double value = fixture_run(f, id);
            if (only_calls && fixture_score(f, SCORER_no_loop) == NULL)
                continue;
            sample_add(&own, value);
            uint32_t newest = at;
            while (newest > 0 && !t->is_user[newest])
                newest--;
            users_exchange(f, t, stranger, id == SCORER_on_goal ? at : newest);
            sample_add(&other, fixture_run(f, id));
        }
    }
    double area = auc(own.values, own.count, other.values, other.count);
    printf("%-13s %s  %5zu own against %5zu exchanged: AUC %.3f\n", scorer_name(id),
           only_calls ? "calls only" : "all steps ", own.count, other.count, area);
    mem_free(own.values);
    mem_free(other.values);
    return area;
}

Test(goal, steps_are_nearer_to_their_own_goal_than_to_a_strangers)
{
    struct runs r;
    if (!runs_read(&r))
        cr_skip_test("the shared data is not here");
    struct fixture *f = fixture_begin(NULL);
    double all = own_against_other(&r, f, SCORER_on_goal, false);
    double calls = own_against_other(&r, f, SCORER_on_goal, true);
    double kept = own_against_other(&r, f, SCORER_context_kept, false);
    cr_expect_gt(all, 0.70);
    cr_expect_gt(calls, 0.68);
    cr_expect_gt(kept, 0.64);
    fixture_end(f);
    runs_deinit(&r);
}

/* One number a run, higher meaning worse. */
struct run_signals {
    double risk;  /* sum over its steps of (1 - on_goal * no_loop) squared */
    double mean;  /* risk a step */
    double drift; /* mean of 1 - on_goal */
    double loops; /* sum of 1 - no_loop */
    double messages;
    double calls;
};

static struct run_signals run_signals_of(struct fixture *f, const struct trajectory *t)
{
    struct run_signals s = {.messages = t->count};
    double steps = 0;
    for (uint32_t at = 0; at < t->count; at++) {
        if (!t->is_step[at])
            continue;
        step_view(f, t, at);
        double goal = fixture_run(f, SCORER_on_goal);
        const struct score *loop = fixture_score(f, SCORER_no_loop);
        goal = isnan(goal) ? 0 : goal;
        double both = goal * (loop != NULL ? loop->value : 1);
        s.risk += (1 - both) * (1 - both);
        s.drift += 1 - goal;
        s.loops += loop != NULL ? 1 - loop->value : 0;
        s.calls += loop != NULL;
        steps++;
    }
    s.mean = steps > 0 ? s.risk / steps : 0;
    s.drift = steps > 0 ? s.drift / steps : 0;
    return s;
}

/* How well a signal ranks failed runs above rewarded ones. length_band >= 0: only pairs whose lengths differ by no more.
 * step 2: every other run, from the second on. */
static double failed_first(const struct runs *r, const struct run_signals *signals, size_t signal,
                           double length_band, uint32_t step)
{
    double above = 0;
    double pairs = 0;
    for (uint32_t i = step - 1; i < r->count; i += step) {
        for (uint32_t k = step - 1; k < r->count; k += step) {
            if (r->all[i].rewarded || !r->all[k].rewarded ||
                (length_band >= 0 && fabs(signals[i].messages - signals[k].messages) > length_band))
                continue;
            double failed;
            double rewarded;
            memcpy(&failed, (const char *)&signals[i] + signal, sizeof failed);
            memcpy(&rewarded, (const char *)&signals[k] + signal, sizeof rewarded);
            above += failed > rewarded ? 1 : failed == rewarded ? 0.5 : 0;
            pairs++;
        }
    }
    return pairs > 0 ? above / pairs : (double)NAN;
}

#define CALL(name, arguments)                                                                      \
    "{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"" name                      \
    "\",\"arguments\":\"" arguments "\"}}]}"

struct small_run {
    bool rewarded;
    const char *messages[12];
};

/* Written for this test: two runs that go straight, one that loops and one that loses its way, all of the same length. */
static const struct small_run small_runs[] = {
    {true,
     {USER("Move order 4711 to the Hamburg warehouse"), CALL("get_order", "{\\\"order\\\":4711}"),
      "{\"role\":\"tool\",\"content\":\"order 4711 in Bremen\"}",
      CALL("move_order", "{\\\"order\\\":4711,\\\"to\\\":\\\"Hamburg\\\"}"),
      "{\"role\":\"tool\",\"content\":\"moved\"}",
      AGENT("Order 4711 is in the Hamburg warehouse now.")}},
    {true,
     {USER("Which invoices of March are unpaid?"),
      CALL("list_invoices", "{\\\"month\\\":\\\"March\\\",\\\"paid\\\":false}"),
      "{\"role\":\"tool\",\"content\":\"17, 21\"}", CALL("get_invoice", "{\\\"invoice\\\":17}"),
      "{\"role\":\"tool\",\"content\":\"unpaid\"}",
      AGENT("Of the March invoices 17 and 21 are unpaid.")}},
    {false,
     {USER("Which invoices of March are unpaid?"),
      CALL("list_invoices", "{\\\"month\\\":\\\"May\\\"}"),
      "{\"role\":\"tool\",\"content\":\"[]\"}",
      CALL("list_invoices", "{\\\"month\\\": \\\"May\\\"}"),
      "{\"role\":\"tool\",\"content\":\"[]\"}",
      CALL("list_invoices", "{\\\"month\\\":\\\"May\\\"}")}},
    {false,
     {USER("Move order 4711 to the Hamburg warehouse"),
      CALL("search_web", "{\\\"q\\\":\\\"shipping news\\\"}"),
      "{\"role\":\"tool\",\"content\":\"strikes in Antwerp\"}",
      CALL("search_web", "{\\\"q\\\":\\\"Antwerp strikes\\\"}"),
      "{\"role\":\"tool\",\"content\":\"port closed\"}",
      AGENT("The port of Antwerp is closed by a strike.")}},
};

Test(goal, small_runs_that_loop_or_lose_their_way_rank_worse)
{
    struct fixture *f = fixture_begin(NULL);
    double worst_rewarded = 0;
    double best_failed = INFINITY;
    for (size_t i = 0; i < sizeof small_runs / sizeof small_runs[0]; i++) {
        static struct trajectory t;
        t = (struct trajectory){.rewarded = small_runs[i].rewarded};
        for (; small_runs[i].messages[t.count] != NULL; t.count++) {
            struct slice body = slice_text(small_runs[i].messages[t.count]);
            t.messages[t.count] = message_of(body);
            t.is_step[t.count] = body_has_role(body, "assistant");
            t.is_user[t.count] = body_has_role(body, "user");
        }
        double risk = run_signals_of(f, &t).risk;
        if (t.rewarded)
            worst_rewarded = fmax(worst_rewarded, risk);
        else
            best_failed = fmin(best_failed, risk);
    }
    cr_expect_lt(worst_rewarded, best_failed, "%g %g", worst_rewarded, best_failed);
    fixture_end(f);
}

Test(goal, loops_and_drift_together_rank_the_runs_that_failed)
{
    struct runs r;
    if (!runs_read(&r))
        cr_skip_test("the shared data is not here");
    struct fixture *f = fixture_begin(NULL);
    struct run_signals *signals = mem_zero(r.count, sizeof *signals);
    for (uint32_t i = 0; i < r.count; i++)
        signals[i] = run_signals_of(f, &r.all[i]);
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {
        {"loops and drift, summed", offsetof(struct run_signals, risk)},
        {"loops and drift, a step", offsetof(struct run_signals, mean)},
        {"drift alone, a step", offsetof(struct run_signals, drift)},
        {"loops alone, summed", offsetof(struct run_signals, loops)},
        {"baseline: messages", offsetof(struct run_signals, messages)},
        {"baseline: tool calls", offsetof(struct run_signals, calls)},
    };
    double areas[sizeof rows / sizeof rows[0]];
    printf(
        "%u runs, reward 0 ranked first (AUC): all, odd runs only, pairs of similar length (within "
        "4 messages)\n",
        r.count);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        areas[i] = failed_first(&r, signals, rows[i].offset, -1, 1);
        printf("%-26s %.3f   %.3f   %.3f\n", rows[i].name, areas[i],
               failed_first(&r, signals, rows[i].offset, -1, 2),
               failed_first(&r, signals, rows[i].offset, 4, 1));
    }
    cr_expect_gt(areas[0], 0.66);
    cr_expect_gt(areas[1], 0.59);
    mem_free(signals);
    fixture_end(f);
    runs_deinit(&r);
}
