/*
 * keys.c - `driftline keys`: create, list and revoke, on a server or on a directory whose server is down.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/json.h"
#include "server/auth/auth.h"
#include "tools/connect.h"

enum {
    OPTION_SCOPES = OPTION_LONG(0),
    OPTION_NOTE,
    OPTION_DATA,
    OPTION_JSON
};

static const struct option_spec keys_options[] = {
    {OPTION_SCOPES, "scopes", "LIST", "create: ingest,read,review,admin (default ingest,read)"},
    {OPTION_NOTE, "note", "TEXT", "create: who uses it"},
    {OPTION_DATA, "data", "DIR", "work on this directory; its server must be down"},
    {OPTION_JSON, "json", NULL, "print JSON"},
    CONNECT_OPTIONS,
};

struct keys_call {
    struct connect connect;
    const char *scopes;
    const char *note;
    const char *data;
    bool json;
};

/* ---- on a server ---- */

static int remote(const struct keys_call *call, const char *method, const char *path,
                  const struct buffer *body, void (*print)(struct slice answer))
{
    struct error error = {0};
    struct buffer answer = {0};
    struct http_request request = {.method = method,
                                   .path = path,
                                   .body = body != NULL ? buffer_slice(body) : SLICE_EMPTY,
                                   .content_type = "application/json"};
    int exit_code = EXIT_CODE_OK;
    if (http_call(&call->connect, &request, &answer, NULL, &error) < 0)
        exit_code = command_fail(&error);
    else if (call->json)
        (void)printf("%.*s\n", SLICE_ARG(buffer_slice(&answer)));
    else
        print(buffer_slice(&answer));
    buffer_deinit(&answer);
    return exit_code;
}

static void print_created(struct slice answer)
{
    struct arena arena = {0};
    struct json j = json_over(answer);
    bool is_key = false;
    for (enum json_token t = json_next(&j); t > JSON_END; t = json_next(&j)) {
        if (t == JSON_KEY)
            is_key = slice_is(json_string(&j, &arena), "key");
        else if (t == JSON_STRING && is_key)
            (void)printf("%.*s\n", SLICE_ARG(json_string(&j, &arena)));
    }
    arena_deinit(&arena);
}

static void print_row(const char *id, const char *project, const char *scopes, const char *used,
                      const char *state, const char *note)
{
    (void)printf("%-13s %-16s %-26s %-26s %-8s %s\n", id, project, scopes, used, state, note);
}

static void time_or_never(int64_t time_ns, char to[TIME_TEXT_BYTES])
{
    if (time_ns == 0)
        (void)snprintf(to, TIME_TEXT_BYTES, "never");
    else
        time_to_text(time_ns / NS_PER_S * NS_PER_S, to);
}

/* {"keys":[{"id","project","scopes","note","created","last_used","revoked"}]}; absent times are null. */
static void print_list(struct slice answer)
{
    struct arena arena = {0};
    struct json j = json_over(answer);
    const char *names[] = {"id", "project", "scopes", "last_used", "revoked", "note"};
    const char *values[6] = {"", "", "", "never", "", ""};
    int field = -1;
    print_row("ID", "PROJECT", "SCOPES", "LAST USED", "STATE", "NOTE");
    for (enum json_token t = json_next(&j); t > JSON_END; t = json_next(&j)) {
        if (t == JSON_KEY) {
            field = -1;
            for (int i = 0; i < 6; i++) {
                if (slice_is(json_string(&j, &arena), names[i]))
                    field = i;
            }
        } else if (t == JSON_STRING && field >= 0) {
            struct slice value = arena_copy(&arena, json_string(&j, &arena));
            values[field] = (const char *)value.data;
        } else if (t == JSON_OBJECT_END && values[0][0] != 0) {
            print_row(values[0], values[1], values[2], values[3],
                      values[4][0] != 0 ? "revoked" : "active", values[5]);
            const char *fresh[6] = {"", "", "", "never", "", ""};
            memcpy(values, fresh, sizeof values);
        }
    }
    arena_deinit(&arena);
}

static void print_nothing(struct slice answer)
{
    (void)answer;
}

static int remote_create(const struct keys_call *call)
{
    struct buffer body = {0};
    buffer_add_text(&body, "{\"project\":");
    buffer_add_json(&body, slice_text(call->connect.project));
    buffer_add_text(&body, ",\"scopes\":");
    buffer_add_json(&body, slice_text(call->scopes));
    buffer_add_text(&body, ",\"note\":");
    buffer_add_json(&body, slice_text(call->note));
    buffer_add_text(&body, "}");
    int exit_code = remote(call, "POST", "/api/v1/keys", &body, print_created);
    buffer_deinit(&body);
    return exit_code;
}

static int remote_revoke(const struct keys_call *call, const char *id)
{
    struct buffer path = {0};
    buffer_add_text(&path, "/api/v1/keys/");
    url_encode(&path, slice_text(id));
    buffer_add_byte(&path, 0);
    int exit_code = remote(call, "DELETE", (const char *)path.data, NULL, print_nothing);
    buffer_deinit(&path);
    return exit_code;
}

/* ---- on a directory ---- */

static void print_key(void *context, const struct auth_key_info *k)
{
    (void)context;
    char scopes[64];
    char used[TIME_TEXT_BYTES];
    scopes_to_text(k->scopes, scopes);
    time_or_never(k->last_used_ns, used);
    print_row(k->key_id, k->project, scopes, used, k->revoked_ns != 0 ? "revoked" : "active",
              k->note);
}

static enum status local_verb(const struct keys_call *call, struct auth *auth, const char *verb,
                              const char *id, struct error *reterr)
{
    if (strcmp(verb, "list") == 0) {
        print_row("ID", "PROJECT", "SCOPES", "LAST USED", "STATE", "NOTE");
        return auth_keys(auth, print_key, NULL, reterr);
    }
    if (strcmp(verb, "revoke") == 0)
        return auth_key_revoke(auth, slice_text(id), reterr);
    unsigned scopes;
    char key[AUTH_KEY_BYTES];
    enum status s = scopes_from_text(slice_text(call->scopes), &scopes, reterr);
    if (s >= 0)
        s = auth_key_create(auth, slice_text(call->connect.project), scopes, slice_text(call->note),
                            key, reterr);
    if (s >= 0)
        (void)printf("%s\n", key);
    return s;
}

static int local(const struct keys_call *call, const char *verb, const char *id)
{
    struct io *io = NULL;
    struct control *control = NULL;
    struct auth *auth = NULL;
    struct error error = {0};
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/control.db", call->data);
    enum status s;
    if ((s = io_create(call->data, "posix", &io, NULL, &error)) < 0)
        goto out;
    if ((s = io_lock(io, "LOCK", &error)) < 0)
        goto out;
    if ((s = control_open(path, &control, &error)) < 0)
        goto out;
    if ((s = auth_open(control, false, &auth, &error)) < 0)
        goto out;
    s = local_verb(call, auth, verb, id, &error);
out:
    auth_close(auth);
    control_close(control);
    io_destroy(io);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

static int keys_run(const struct command *self, int argc, char **argv)
{
    struct keys_call call = {.scopes = "ingest,read", .note = ""};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&call.connect, &error) < 0)
        return command_usage_error("keys", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&call.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("keys", "%s", error.text);
        } else if (key == OPTION_SCOPES) {
            call.scopes = o.value;
        } else if (key == OPTION_NOTE) {
            call.note = o.value;
        } else if (key == OPTION_DATA) {
            call.data = o.value;
        } else if (key == OPTION_JSON) {
            call.json = true;
        }
    }
    const char *verb = o.at < argc ? argv[o.at] : "";
    const char *id = o.at + 1 < argc ? argv[o.at + 1] : NULL;
    bool create = strcmp(verb, "create") == 0;
    bool list = strcmp(verb, "list") == 0;
    bool revoke = strcmp(verb, "revoke") == 0;
    if (!create && !list && !revoke)
        return command_usage_error("keys", "create, list or revoke ID expected");
    if (revoke != (id != NULL) || argc - o.at > 2)
        return command_usage_error(
            "keys", "%s", revoke ? "revoke needs one key ID" : "create and list take no operand");
    if (call.data != NULL)
        return local(&call, verb, id);
    if (create)
        return remote_create(&call);
    if (list)
        return remote(&call, "GET", "/api/v1/keys", NULL, print_list);
    return remote_revoke(&call, id);
}

const struct command command_keys = {
    .usage = "keys create|list|revoke ID [FLAGS]",
    .examples =
        "  driftline keys create --project shop --scopes ingest --note \"checkout service\"\n"
        "  driftline keys list\n"
        "  driftline keys revoke 3k5x7q2mabcd\n"
        "  driftline keys create --data /var/lib/driftline --project '*' --scopes ingest,read,review,admin\n",
    .about =
        "create prints the key once; only a hash of it is stored. Project '*' means every project.",
    OPTIONS(keys_options),
    .run = keys_run,
};
