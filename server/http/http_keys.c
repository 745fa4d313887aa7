/*
 * http_keys.c - keys over HTTP.
 */
#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "server/http/http_request.h"

struct key_list {
    const struct principal *principal;
    struct buffer body;
    const char *comma;
};

static void add_key(void *context, const struct auth_key_info *k)
{
    struct key_list *list = context;
    char scopes[64];
    if (auth_allow(list->principal, SCOPE_ADMIN, slice_text(k->project), NULL) < 0)
        return;
    scopes_to_text(k->scopes, scopes);
    buffer_printf(&list->body,
                  "%s{\"id\":\"%s\",\"project\":\"%s\",\"scopes\":\"%s\",\"note\":", list->comma,
                  k->key_id, k->project, scopes);
    buffer_add_json(&list->body, slice_text(k->note));
    add_time(&list->body, "created", k->created_ns / NS_PER_S * NS_PER_S);
    add_time(&list->body, "last_used", k->last_used_ns / NS_PER_S * NS_PER_S);
    add_time(&list->body, "revoked", k->revoked_ns / NS_PER_S * NS_PER_S);
    buffer_add_text(&list->body, "}");
    list->comma = ",";
}

void route_keys(struct request *r)
{
    struct key_list list = {.principal = &r->principal, .comma = ""};
    struct error error = {0};
    buffer_add_text(&list.body, "{\"keys\":[");
    if (auth_keys(r->http->options.auth, add_key, &list, &error) < 0) {
        reply_error(r->event, &error, SLICE_EMPTY);
    } else {
        buffer_add_text(&list.body, "]}\n");
        reply_json(r->event, HTTP_OK, &list.body);
    }
    buffer_deinit(&list.body);
}

struct key_wish {
    struct slice project;
    struct slice scopes;
    struct slice note;
};

/* {"project": "shop", "scopes": "ingest,read", "note": ""}: strings only, unknown members are errors. */
static enum status wish_read(struct slice body, struct arena *arena, struct key_wish *ret,
                             struct error *reterr)
{
    struct json j = json_over(body);
    struct slice *member = NULL;
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return error_set(reterr, STATUS_INVALID,
                         "expected {\"project\": ..., \"scopes\": ..., \"note\": ...}");
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END) {
        if (t == JSON_KEY) {
            struct slice key = json_string(&j, arena);
            member = slice_is(key, "project")  ? &ret->project
                     : slice_is(key, "scopes") ? &ret->scopes
                     : slice_is(key, "note")   ? &ret->note
                                               : NULL;
            if (member == NULL)
                return error_set(reterr, STATUS_INVALID,
                                 "unknown member '%.*s'; known: project, scopes, note",
                                 SLICE_ARG(key));
        } else if (t == JSON_STRING && member != NULL) {
            *member = json_string(&j, arena);
        } else if (t != JSON_OBJECT_END) {
            return error_set(reterr, STATUS_INVALID, "project, scopes and note are strings");
        }
    }
    return t == JSON_ERROR ? json_error(&j, "the body", reterr) : STATUS_OK;
}

void route_key_create(struct request *r)
{
    struct arena arena = {0};
    struct error error = {0};
    struct key_wish wish = {
        .project = slice_text("default"), .scopes = slice_text("ingest,read"), .note = SLICE_EMPTY};
    unsigned scopes = 0;
    char key[AUTH_KEY_BYTES];
    enum status s;
    if ((s = wish_read(request_body(r), &arena, &wish, &error)) < 0)
        goto out;
    if ((s = scopes_from_text(wish.scopes, &scopes, &error)) < 0)
        goto out;
    if ((s = auth_allow(&r->principal, SCOPE_ADMIN, wish.project, &error)) < 0)
        goto out;
    if ((s = auth_key_create(r->http->options.auth, wish.project, scopes, wish.note, key, &error)) <
        0)
        goto out;
    struct buffer body = {0};
    buffer_printf(&body, "{\"id\":\"%.12s\",\"key\":\"%s\"}\n", key + 3, key);
    reply_json(r->event, HTTP_OK, &body);
    buffer_deinit(&body);
out:
    if (s < 0)
        reply_error(r->event, &error, SLICE_EMPTY);
    arena_deinit(&arena);
}

struct key_search {
    const char *key_id;
    const struct principal *principal;
    bool allowed;
};

static void find_key(void *context, const struct auth_key_info *k)
{
    struct key_search *search = context;
    if (strcmp(k->key_id, search->key_id) == 0)
        search->allowed =
            auth_allow(search->principal, SCOPE_ADMIN, slice_text(k->project), NULL) >= 0;
}

void route_key_revoke(struct request *r)
{
    struct error error = {0};
    struct key_search search = {.key_id = r->rest, .principal = &r->principal};
    enum status s = auth_keys(r->http->options.auth, find_key, &search, &error);
    if (s >= 0 && !search.allowed)
        s = error_set(&error, STATUS_NOT_FOUND, "there is no key '%s' in use", r->rest);
    if (s >= 0)
        s = auth_key_revoke(r->http->options.auth, slice_text(r->rest), &error);
    if (s < 0) {
        reply_error(r->event, &error, SLICE_EMPTY);
        return;
    }
    struct buffer body = {0};
    buffer_printf(&body, "{\"revoked\":\"%s\"}\n", r->rest);
    reply_json(r->event, HTTP_OK, &body);
    buffer_deinit(&body);
}
