/*
 * content_document.c - what a retrieval found: documents with id, score and content, in rank order.
 *
 * Place:     content.c, content_indexed.c, content_event.c -> [here] -> retrieved, retrieved_count,
 *            retrieved_top_score
 * Form:      [{"id","score","content","metadata", further members as they came}]; the content is
 *            what the grounding scorer reads
 * Shapes:    [{id,score,text}], LangChain documents {page_content,metadata} and [document, score]
 *            pairs, LlamaIndex {node,score}, Cohere {results:[{relevance_score,document}]},
 *            Pinecone {matches:[..]}, plain texts
 */
#include <math.h>

#include "server/dialect/content_internal.h"

#define KEYS(...)         ((const char *const[]){__VA_ARGS__, NULL})
#define DOCUMENT_WRAP_MAX 4u

#define ID_KEYS                                                                                    \
    KEYS("id", "document_id", "documentId", "doc_id", "chunk_id", "chunkId", "id_", "_id",         \
         "node_id")
#define SCORE_KEYS                                                                                 \
    KEYS("score", "relevance_score", "relevanceScore", "similarity", "similarity_score", "_score", \
         "@search.score")
#define CONTENT_KEYS                                                                               \
    KEYS("content", "text", "page_content", "pageContent", "chunk", "snippet", "document")

void documents_reset(struct documents *d)
{
    buffer_reset(&d->json);
    d->count = 0;
    d->top_score = (double)NAN;
    d->cut = false;
}

static void member_put(struct buffer *to, const char *key, struct value v)
{
    if (v.type == VALUE_NONE)
        return;
    put_key(to, key);
    put_value(to, v);
}

void document_add(struct documents *d, const struct document *doc, struct slice rest)
{
    double score = 0;
    size_t before = d->json.size;
    d->count++;
    if (value_number(doc->score, &score) && !(score <= d->top_score))
        d->top_score = score;
    if (d->cut)
        return;
    buffer_add_byte(&d->json, before == 0 ? '[' : ',');
    buffer_add_byte(&d->json, '{');
    member_put(&d->json, "id", doc->id);
    member_put(&d->json, "score", doc->score);
    member_put(&d->json, "distance", doc->distance);
    member_put(&d->json, "content", doc->content);
    member_put(&d->json, "metadata", doc->metadata);
    if (rest.size > 2) {
        if (d->json.data[d->json.size - 1] != '{')
            buffer_add_byte(&d->json, ',');
        buffer_add(&d->json, rest.data + 1, rest.size - 2);
    }
    buffer_add_byte(&d->json, '}');
    if (d->json.size >= TEXT_BYTES_MAX) {
        d->json.size = before;
        d->cut = true;
    }
}

/* A score that stands in a string stays a number. */
static struct value score_value(struct value v)
{
    double ignored;
    if (v.type == VALUE_STRING && value_number(v, &ignored))
        return (struct value){.type = VALUE_DOUBLE, .number = ignored};
    return v.type == VALUE_STRING ? VALUE_NOTHING : v;
}

/* Takes what it knows; the members left are the rest. */
static void document_read(struct content *c, struct members *m, struct document *doc)
{
    struct members metadata;
    if (doc->id.type == VALUE_NONE)
        doc->id = members_take_any(m, ID_KEYS);
    if (doc->score.type == VALUE_NONE)
        doc->score = score_value(members_take_any(m, SCORE_KEYS));
    doc->distance = members_take(m, "distance");
    struct reading r = {.c = c};
    doc->content = content_unwrap(&r, members_take_any(m, CONTENT_KEYS));
    doc->metadata = members_take(m, "metadata");
    if (!members_of(value_as_json(doc->metadata, false), &c->arena, &metadata))
        return;
    if (doc->id.type == VALUE_NONE)
        doc->id = members_take_any(&metadata, ID_KEYS);
    if (doc->score.type == VALUE_NONE)
        doc->score = score_value(members_take_any(&metadata, SCORE_KEYS));
    if (doc->content.type == VALUE_NONE)
        doc->content = members_take_any(&metadata, KEYS("text", "content"));
}

/* {"document":{..},"score"}, {"node":{..},"score"}, LangChain's {"lc","kwargs":{..}}: the
 * document inside. */
static bool inner_document(struct content *c, const struct members *m, struct members *inner)
{
    static const char *const keys[] = {"document", "node", "kwargs", NULL};
    for (const char *const *key = keys; *key != NULL; key++) {
        if (members_of(members_peek(m, *key), &c->arena, inner))
            return true;
    }
    return false;
}

static bool is_document(const struct members *m)
{
    return members_has_any(m, ID_KEYS) || members_has_any(m, SCORE_KEYS) ||
           members_has_any(m, CONTENT_KEYS);
}

static bool object_add(struct content *c, struct members *m, struct document doc)
{
    struct members inner;
    if (inner_document(c, m, &inner) && is_document(&inner)) {
        if (doc.score.type == VALUE_NONE)
            doc.score = score_value(members_take_any(m, SCORE_KEYS));
        m = &inner;
    }
    if (!is_document(m))
        return false;
    document_read(c, m, &doc);
    document_add(&c->documents, &doc, members_rest(m, &c->arena));
    return true;
}

/* [document, score] */
static bool pair_add(struct content *c, struct value pair)
{
    struct items it = items_of(pair);
    struct value v;
    struct members m;
    struct document doc = {0};
    double ignored;
    return items_next(&it, &v) && members_of(v, &c->arena, &m) && items_next(&it, &doc.score) &&
           value_number(doc.score, &ignored) && object_add(c, &m, doc);
}

static bool item_add(struct content *c, struct value v)
{
    struct members m;
    struct document doc = {0};
    if (value_is_array(v))
        return pair_add(c, v);
    if (value_is_text(v)) {
        doc.content = v;
        document_add(&c->documents, &doc, SLICE_EMPTY);
        return true;
    }
    return members_of(v, &c->arena, &m) && object_add(c, &m, doc);
}

static bool list_add(struct content *c, struct value list)
{
    struct items it = items_of(list);
    struct value v;
    while (items_next(&it, &v)) {
        if (v.type != VALUE_NONE && !item_add(c, v))
            return false;
    }
    return !it.failed && json_next(&it.j) == JSON_END;
}

static bool value_add(struct content *c, struct value v, uint32_t depth, struct slice *ret_rest)
{
    static const char *const lists[] = {"documents", "results",  "matches", "outputs", "output",
                                        "nodes",     "contexts", "chunks",  "hits",    "data",
                                        "value",     "points",   "result",  NULL};
    struct members m;
    if (value_is_array(v))
        return list_add(c, v);
    if (depth >= DOCUMENT_WRAP_MAX || !members_of(v, &c->arena, &m))
        return false;
    for (const char *const *key = lists; *key != NULL; key++) {
        struct value inner = members_peek(&m, *key);
        bool may_hold = value_is_array(inner) || value_is_object(inner);
        if (may_hold && value_add(c, inner, depth + 1, ret_rest)) {
            (void)members_take(&m, *key);
            if (depth == 0)
                *ret_rest = members_rest(&m, &c->arena);
            return true;
        }
        documents_reset(&c->documents);
    }
    return false;
}

bool documents_take(struct content *c, struct value v, enum payload_form form,
                    struct slice *ret_rest)
{
    struct reading r = {.c = c};
    documents_reset(&c->documents);
    v = value_as_json(payload_open(&r, v, form, ret_rest), false);
    if (value_add(c, v, 0, ret_rest))
        return true;
    documents_reset(&c->documents);
    return false;
}
