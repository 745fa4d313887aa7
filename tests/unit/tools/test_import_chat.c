/*
 * test_import_chat.c - conversations to traces. tests/data/chat.json is small and awkward on purpose.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/unit/tools/import_fixture.h"
#include "tools/chat.h"

static struct imported import_sample(void (*set)(struct import *im))
{
    const char *source = getenv("SOURCE_DIR");
    char path[4096];
    struct input in = {0};
    struct error error = {0};
    (void)snprintf(path, sizeof path, "%s/tests/data/chat.json", source != NULL ? source : ".");
    cr_assert(input_open(path, &in, &error) == STATUS_OK, "%s", error.text);
    cr_assert(eq(int, input_all(&in, &error), STATUS_OK));
    struct imported got = import_bytes(import_chat, TABLE_SPANS, 8192, input_window(&in), set);
    input_close(&in);
    return got;
}

/* The k-th row (from 0) that has the text in it, without its newline; "" when there is none. */
static char *row_with(const struct imported *got, const char *text, int k)
{
    static char row[65536];
    for (const char *p = imported_text(got); *p != 0;) {
        const char *end = strstr(p, " \ntime=");
        size_t size = end != NULL ? (size_t)(end + 2 - p) : strlen(p);
        if (size >= sizeof row)
            size = sizeof row - 1;
        memcpy(row, p, size);
        row[size] = 0;
        if (strstr(row, text) != NULL && k-- == 0)
            return row;
        p = end != NULL ? end + 2 : p + strlen(p);
    }
    row[0] = 0;
    return row;
}

static bool has(const char *row, const char *text)
{
    return strstr(row, text) != NULL;
}

static bool lacks(const char *row, const char *text)
{
    return row[0] != 0 && strstr(row, text) == NULL;
}

#define SYSTEM "{\"role\":\"system\",\"content\":\"You answer about parcels.\\nBe brief.\"}"
#define USER                                                                                       \
    "{\"role\":\"user\",\"content\":\"Where is parcel \xc3\xa9-17? \xf0\x9f\x99\x82 \\ud83d\"}"
#define CALLS                                                                                      \
    "{\"content\":null,\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":"       \
    "\"{\\\"id\\\":\\\"17\\\"}\",\"name\":\"find_parcel\"},\"id\":\"call_1\",\"type\":"            \
    "\"function\"},{\"function\":{\"arguments\":\"{\\\"id\\\":\\\"17\\\",\\\"weight\\\":1.50}\","  \
    "\"name\":\"price\"},\"id\":\"call_2\",\"type\":\"function\"}]}"
#define RESULTS                                                                                    \
    "{\"role\":\"tool\",\"tool_call_id\":\"call_2\",\"name\":\"price\",\"content\":\"[]\"},"       \
    "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"name\":\"find_parcel\",\"content\":"         \
    "\"{\\\"place\\\": \\\"Graz\\\"}\"}"
#define ANSWER                                                                                     \
    "{\"9\":\"a\",\"10\":\"b\",\"role\":\"assistant\",\"content\":\"In "                           \
    "Graz.\",\"score\":1,\"big\":12345678901234567000}"

Test(import_chat, makes_a_span_of_every_call)
{
    struct imported got = import_sample(NULL);
    cr_assert(got.status == STATUS_OK, "%s", got.error.text);
    cr_assert(eq(u64, got.rejected, 0));
    /* 2 roots, 3 + 2 llm, 2 + 1 tool spans */
    cr_assert(eq(u64, got.rows, 10));
    imported_free(&got);
}

Test(import_chat, inputs_are_the_history_as_javascript_prints_it)
{
    struct imported got = import_sample(NULL);
    const char *first = row_with(&got, "kind=llm", 0);
    cr_assert(has(first, "input=[" SYSTEM "," USER "] output=[" CALLS "] "), "%s", first);
    const char *second = row_with(&got, "kind=llm", 1);
    cr_assert(has(second, "input=[" SYSTEM "," USER "," CALLS "," RESULTS "] output=[" ANSWER "] "),
              "%s", second);
    cr_assert(has(second, "finish_reason=stop "), "%s", second);
    imported_free(&got);
}

Test(import_chat, tools_hang_below_the_call_that_asked_for_them)
{
    struct imported got = import_sample(NULL);
    const char *llm = row_with(&got, "finish_reason=tool_calls", 0);
    char id[64];
    char parent[96];
    cr_assert(eq(int, sscanf(strstr(llm, "span_id="), "span_id=%16s", id), 1));
    (void)snprintf(parent, sizeof parent, "parent_id=%s ", id);
    const char *price = row_with(&got, "tool_name=price", 0);
    cr_assert(has(price, parent), "%s", price);
    cr_assert(has(price, "tool_call_id=call_2 tool_args={\"id\":\"17\",\"weight\":1.50} "
                         "tool_result=[] tool_result_empty=1 "),
              "%s", price);
    const char *find = row_with(&got, "tool_name=find_parcel", 0);
    cr_assert(has(find, parent), "%s", find);
    cr_assert(has(find, "tool_args={\"id\":\"17\"} tool_result={\"place\": \"Graz\"} "
                        "tool_result_empty=0 "),
              "%s", find);
    const char *old = row_with(&got, "tool_name=old", 0);
    cr_assert(has(old, "tool_args={} tool_result_empty=1 "), "%s", old);
    imported_free(&got);
}

Test(import_chat, the_conversation_describes_the_root)
{
    struct imported got = import_sample(NULL);
    const char *root = row_with(&got, "kind=agent", 0);
    cr_assert(has(root, "score.reward=1 "), "%s", root);
    cr_assert(has(root, "attributes={\"task_id\":7,\"trial\":0} "), "%s", root);
    cr_assert(lacks(root, "parent_id="), "%s", root);
    cr_assert(has(root, "time=1000000000000 "), "%s", root);
    const char *second = row_with(&got, "kind=agent", 1);
    cr_assert(has(second, "session=s-\xc3\xa9 "), "%s", second);
    cr_assert(has(second, "user_id=u1 "), "%s", second);
    cr_assert(has(second, "time=1767225600000000000 "), "%s", second);
    imported_free(&got);
}

Test(import_chat, times_of_the_log_win_over_made_up_ones)
{
    struct imported got = import_sample(NULL);
    const char *llm = row_with(&got, "model=m2", 0);
    cr_assert(has(llm, "time=1767225601000000000 "), "%s", llm);
    cr_assert(has(llm, "latency_ms=2500000000 "), "%s", llm);
    cr_assert(has(llm, "finish_reason=length "), "%s", llm);
    cr_assert(lacks(llm, "ttft_ms="), "%s", llm);
    imported_free(&got);
}

static void prefix(struct import *im)
{
    im->session_prefix = "imported";
    im->service = "shop";
    im->model = "fallback";
}

Test(import_chat, flags_name_session_service_and_model)
{
    struct imported got = import_sample(prefix);
    const char *first = row_with(&got, "kind=llm", 0);
    cr_assert(has(first, "session=imported-1 "), "%s", first);
    cr_assert(has(first, "service=shop "), "%s", first);
    cr_assert(has(first, "model=fallback "), "%s", first);
    const char *last = row_with(&got, "kind=llm", 4);
    cr_assert(has(last, "session=imported-s-\xc3\xa9 "), "%s", last);
    cr_assert(has(last, "model=m1 "), "%s", last);
    imported_free(&got);
}

Test(import_chat, the_same_log_gives_the_same_rows)
{
    struct imported a = import_sample(NULL);
    struct imported b = import_sample(NULL);
    cr_assert(slice_equal(buffer_slice(&a.text), buffer_slice(&b.text)));
    imported_free(&a);
    imported_free(&b);
}

/* A batch that ends inside a conversation must bring the history along with the next one. */
static struct imported import_small_batches(void)
{
    struct buffer text = {0};
    buffer_add_text(&text, "[");
    for (int i = 0; i < 200; i++)
        buffer_printf(&text, "%s{\"role\":\"%s\",\"content\":\"%d\"}", i == 0 ? "" : ",",
                      i % 2 == 0 ? "user" : "assistant", i);
    buffer_add_text(&text, "]");
    struct imported got = import_bytes(import_chat, TABLE_SPANS, 7, buffer_slice(&text), NULL);
    buffer_deinit(&text);
    return got;
}

Test(import_chat, every_batch_brings_the_messages_it_refers_to)
{
    struct imported got = import_small_batches();
    cr_assert(eq(int, got.status, STATUS_OK));
    cr_assert(eq(u64, got.rows, 101));
    cr_assert(gt(u64, got.batches, 10));
    cr_assert(eq(ptr, strstr(imported_text(&got), "LOST"), NULL));
    const char *last = row_with(&got, "output=[{\"role\":\"assistant\",\"content\":\"199\"}]", 1);
    cr_assert(has(last, "input=[{\"role\":\"user\",\"content\":\"0\"},"), "%s", last);
    imported_free(&got);
}

struct shape_case {
    const char *text;
    uint64_t rows;
    uint64_t rejected;
};

Test(import_chat, takes_every_shape)
{
    static const struct shape_case cases[] = {
        /* one bare conversation */
        {"[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]", 2,
         0},
        /* an array of bare conversations */
        {"[[{\"role\":\"user\",\"content\":\"a\"}],[{\"role\":\"assistant\",\"content\":\"b\"}]]",
         3, 0},
        /* one object, pretty */
        {"{\n \"messages\": [\n {\"role\":\"assistant\",\"content\":\"b\"}\n ]\n}\n", 2, 0},
        /* a conversation a line, in both forms */
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n"
         "[{\"role\":\"user\",\"content\":\"a\"}]\n",
         2, 0},
        /* bad ones among good ones */
        {"[{\"messages\":[]},{\"messages\":5},{\"x\":1},{\"messages\":[{\"content\":\"no role\"}]},"
         "{\"messages\":[{\"role\":\"user\"}]}]",
         1, 4},
        {"[5,\"x\",null]", 0, 3},
        {"[]", 0, 0},
        {"", 0, 0},
        {" \n ", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imported got = import_text(import_chat, cases[i].text);
        cr_assert(got.status == STATUS_OK, "%s: %s", cases[i].text, got.error.text);
        cr_assert(got.rows == cases[i].rows && got.rejected == cases[i].rejected,
                  "%s: %llu rows, %llu rejected", cases[i].text, (unsigned long long)got.rows,
                  (unsigned long long)got.rejected);
        imported_free(&got);
    }
}

Test(import_chat, says_where_the_json_breaks)
{
    struct imported got = import_text(
        import_chat,
        "[\n{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]},\n {\"messages\" [\n");
    cr_assert(eq(int, got.status, STATUS_INVALID));
    cr_assert(eq(int, strncmp(got.error.text, "test:3:14: not JSON: ", 21), 0));
    cr_assert(eq(u64, got.rows, 1));
    imported_free(&got);
}

Test(import_chat, survives_every_truncation_and_bit_flip)
{
    static const char text[] =
        "{\"id\":\"x\",\"reward\":1,\"created\":\"2026-01-01\",\"messages\":["
        "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":"
        "\"f\",\"arguments\":{\"a\":1}}}]},{\"role\":\"tool\",\"content\":{\"b\":2}}]}";
    struct chat chat = {0};
    for (size_t size = 0; size < sizeof text - 1; size++) {
        cr_assert(chat_parse(slice_of(text, size), &chat, NULL) == STATUS_INVALID, "%zu bytes",
                  size);
    }
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
        uint8_t copy[sizeof text];
        memcpy(copy, text, sizeof text);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (chat_parse(slice_of(copy, sizeof text - 1), &chat, NULL) >= 0)
            cr_assert(eq(u32, chat.count, 2));
    }
    chat_deinit(&chat);
    struct imported got = import_text(import_chat, text);
    cr_assert(eq(u64, got.rows, 3));
    cr_assert(has(imported_text(&got), "tool_args={\"a\":1} tool_result={\"b\":2} "));
    imported_free(&got);
}
