/*
 * policy_prices.c - price tables: from YAML, and the one that ships.
 *
 * Unit:  USD per million tokens in text; femto-USD a token in memory. One is 10^9 of the other, so up to nine decimals are exact.
 */
#include "server/policy/policy_reader.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/decimal.h"

#define FEMTO_PER_TOKEN   1000000000 /* of 1 USD per million tokens */
#define VERSION_BYTES_MAX 64u

/* False: no amount, negative, or more decimals than are kept. */
static bool amount_from_text(struct slice text, int64_t *ret)
{
    return decimal_to_int(text, FEMTO_PER_TOKEN, 1, ret) == DECIMAL_EXACT && *ret >= 0;
}

static struct price price_unset(void)
{
    return (struct price){.model = SLICE_EMPTY,
                          .provider = SLICE_EMPTY,
                          .tier = SLICE_EMPTY,
                          .from_ns = INT64_MIN,
                          .until_ns = INT64_MAX,
                          .input = PRICE_UNSET,
                          .output = PRICE_UNSET,
                          .cached = PRICE_UNSET,
                          .cache_write = PRICE_UNSET,
                          .reasoning = PRICE_UNSET};
}

/* ---- YAML ---- */

struct price_file {
    struct slice version;
    struct fy_node *list; /* read once the version is known */
    struct price_table_builder *builder;
};

static enum status read_amount(struct policy_reader *r, struct fy_node *node, int64_t *ret)
{
    struct slice text = yaml_kind(node) == YAML_SCALAR ? yaml_text(node) : SLICE_EMPTY;
    if (!amount_from_text(text, ret))
        return yaml_error(r->yaml, node, r->reterr,
                          "'%.*s' is not a price in USD per million tokens (at most nine decimals)",
                          (int)(text.size < 80 ? text.size : 80), (const char *)text.data);
    return STATUS_OK;
}

#define READ_AMOUNT(field)                                                                         \
    static enum status price_##field(struct policy_reader *r, struct fy_node *node, void *target)  \
    {                                                                                              \
        return read_amount(r, node, &((struct price *)target)->field);                             \
    }
READ_AMOUNT(input)
READ_AMOUNT(output)
READ_AMOUNT(cached)
READ_AMOUNT(cache_write)
READ_AMOUNT(reasoning)

static enum status price_model(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "model", POLICY_NAME_BYTES_MAX, &((struct price *)target)->model);
}

static enum status price_provider(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "provider", POLICY_NAME_BYTES_MAX,
                       &((struct price *)target)->provider);
}

static enum status price_tier(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "tier", POLICY_NAME_BYTES_MAX, &((struct price *)target)->tier);
}

static enum status read_time(struct policy_reader *r, struct fy_node *node, int64_t *ret)
{
    struct slice text = yaml_kind(node) == YAML_SCALAR ? yaml_text(node) : SLICE_EMPTY;
    if (!time_from_text(text, ret))
        return yaml_error(
            r->yaml, node, r->reterr,
            "'%.*s' is not a date like 2026-11-01, nor a time like 2026-11-01T12:00:00Z",
            (int)(text.size < 80 ? text.size : 80), (const char *)text.data);
    return STATUS_OK;
}

static enum status price_from(struct policy_reader *r, struct fy_node *node, void *target)
{
    return read_time(r, node, &((struct price *)target)->from_ns);
}

static enum status price_until(struct policy_reader *r, struct fy_node *node, void *target)
{
    return read_time(r, node, &((struct price *)target)->until_ns);
}

static enum status price_above_tokens(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_count(r, node, 0, INT64_MAX, &((struct price *)target)->above_tokens);
}

static enum status prices_version(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "version", VERSION_BYTES_MAX,
                       &((struct price_file *)target)->version);
}

static enum status prices_list(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct price_file *file = target;
    if (yaml_kind(node) != YAML_SEQUENCE || yaml_count(node) == 0)
        return yaml_error(r->yaml, node, r->reterr, "prices are a list of at least one price");
    file->list = node;
    return STATUS_OK;
}

#define KEY(section, name, read, required) KEY_##section(name, read, required)
#define KEY_file(...)
#define KEY_class(...)
#define KEY_scorers(...)
#define KEY_rule(...)
#define KEY_mask(...)
#define KEY_judge(...)
static const struct policy_key table_keys[] = {
#define KEY_price(...)
#define KEY_prices(name, read, required) {#name, read, required},
#include "server/policy/policy_keys.def"
#undef KEY_price
#undef KEY_prices
};
static const struct policy_key price_keys[] = {
#define KEY_prices(...)
#define KEY_price(name, read, required) {#name, read, required},
#include "server/policy/policy_keys.def"
#undef KEY_price
#undef KEY_prices
};

static enum status read_price(struct policy_reader *r, struct fy_node *node,
                              struct price_file *file)
{
    struct price price = price_unset();
    struct error error = {0};
    enum status s = policy_mapping(r, node, "a price", price_keys,
                                   sizeof price_keys / sizeof *price_keys, &price);
    if (s < 0)
        return s;
    if (price.input == PRICE_UNSET && price.output == PRICE_UNSET)
        return yaml_error(r->yaml, node, r->reterr, "a price needs input or output");
    if (price_table_add(file->builder, &price, &error) < 0)
        return policy_error_at(r, node, &error);
    return STATUS_OK;
}

static enum status read_table(struct policy_reader *r, struct price_table **ret)
{
    enum status s;
    struct price_file file = {0};
    if ((s = policy_mapping(r, yaml_root(r->yaml), "a price table", table_keys,
                            sizeof table_keys / sizeof *table_keys, &file)) < 0)
        return s;
    file.builder = price_table_begin(file.version);
    size_t count = yaml_count(file.list);
    for (size_t i = 0; i < count && s >= 0; i++)
        s = read_price(r, yaml_item(file.list, i), &file);
    if (s >= 0) {
        *ret = price_table_end(file.builder);
        file.builder = NULL;
    }
    price_table_abandon(file.builder);
    return s;
}

static enum status read_document(struct yaml *yaml, struct price_table **ret, struct error *reterr)
{
    struct arena arena = {0};
    struct policy_reader r = {.yaml = yaml, .arena = &arena, .reterr = reterr};
    enum status s = read_table(&r, ret);
    arena_deinit(&arena);
    yaml_destroy(yaml);
    return s;
}

enum status policy_prices_parse(const char *name, struct slice text, struct price_table **ret,
                                struct error *reterr)
{
    struct yaml *yaml;
    enum status s = yaml_parse(name, text, &yaml, reterr);
    return s < 0 ? s : read_document(yaml, ret, reterr);
}

enum status policy_prices_load(const char *path, struct price_table **ret, struct error *reterr)
{
    struct yaml *yaml;
    enum status s = yaml_load(path, &yaml, reterr);
    return s < 0 ? s : read_document(yaml, ret, reterr);
}

/* ---- the table that ships ---- */

enum price_forms {
    FORM_ONE,
    FORM_DATED
};

struct shipped_price {
    const char *model;
    enum price_forms forms;
    const char *tier, *from, *until;
    int64_t above_tokens;
    const char *input, *output, *cached, *cache_write;
};
static const struct shipped_price shipped[] = {
#define PRICE(model, forms, tier, from, until, above, input, output, cached, cache_write)          \
    {model, FORM_##forms, tier, from, until, above, input, output, cached, cache_write},
#include "server/policy/prices.def"
#undef PRICE
};

/* The table is ours: what does not fit in it is a mistake in prices.def, which a test would have met. */
static int64_t shipped_amount(const char *text)
{
    int64_t amount = PRICE_UNSET;
    if (*text != 0)
        ASSERT(amount_from_text(slice_text(text), &amount));
    return amount;
}

static int64_t shipped_time(const char *text, int64_t otherwise)
{
    int64_t ns = otherwise;
    if (*text != 0)
        ASSERT(time_from_text(slice_text(text), &ns));
    return ns;
}

static void shipped_add(struct price_table_builder *b, const struct shipped_price *p,
                        struct slice model)
{
    struct price price = price_unset();
    price.model = model;
    price.tier = slice_text(p->tier);
    price.from_ns = shipped_time(p->from, INT64_MIN);
    price.until_ns = shipped_time(p->until, INT64_MAX);
    price.above_tokens = p->above_tokens;
    price.input = shipped_amount(p->input);
    price.output = shipped_amount(p->output);
    price.cached = shipped_amount(p->cached);
    price.cache_write = shipped_amount(p->cache_write);
    ASSERT(price_table_add(b, &price, NULL) == STATUS_OK);
}

struct price_table *policy_prices_builtin(void)
{
    struct arena arena = {0};
    struct price_table_builder *b = price_table_begin(slice_text(PRICES_VERSION));
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++) {
        shipped_add(b, &shipped[i], slice_text(shipped[i].model));
        if (shipped[i].forms == FORM_DATED)
            shipped_add(b, &shipped[i],
                        slice_text(arena_printf(&arena, "%s-20*", shipped[i].model)));
    }
    arena_deinit(&arena);
    return price_table_end(b);
}
