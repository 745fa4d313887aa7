/*
 * pg_extended.c - Parse, Bind, Describe, Execute and Close.
 */
#include "server/pgwire/pg_session.h"

void portal_deinit(struct pg_portal *p)
{
    if (p->own_result)
        pg_canned_destroy(p->result);
    else if (p->result != NULL)
        query_result_destroy(p->result);
    arena_deinit(&p->arena);
    *p = (struct pg_portal){0};
}

static struct pg_statement *statement_find(struct pg_session *s, struct slice name)
{
    for (struct pg_statement *st = s->statements; st != NULL; st = st->next) {
        if (slice_is(name, st->name))
            return st;
    }
    return NULL;
}

static struct pg_portal *portal_find(struct pg_session *s, struct slice name)
{
    for (struct pg_portal *p = s->portals; p != NULL; p = p->next) {
        if (slice_is(name, p->name))
            return p;
    }
    return NULL;
}

static void statement_close(struct pg_session *s, struct slice name)
{
    for (struct pg_statement **at = &s->statements; *at != NULL; at = &(*at)->next) {
        struct pg_statement *st = *at;
        if (!slice_is(name, st->name))
            continue;
        *at = st->next;
        arena_deinit(&st->arena);
        mem_free(st);
        s->object_count--;
        return;
    }
}

static void portal_close(struct pg_session *s, struct slice name)
{
    for (struct pg_portal **at = &s->portals; *at != NULL; at = &(*at)->next) {
        struct pg_portal *p = *at;
        if (!slice_is(name, p->name))
            continue;
        *at = p->next;
        portal_deinit(p);
        mem_free(p);
        s->object_count--;
        return;
    }
}

void extended_portals_free(struct pg_session *s)
{
    while (s->portals != NULL)
        portal_close(s, slice_text(s->portals->name));
}

void extended_statements_free(struct pg_session *s)
{
    while (s->statements != NULL)
        statement_close(s, slice_text(s->statements->name));
}

static void extended_error(struct pg_session *s, const char *sqlstate, const char *text)
{
    pg_error(&s->out, "ERROR", sqlstate, text, 0);
    s->skip_to_sync = true;
    if (s->transaction == 'T')
        s->transaction = 'E';
}

static void parse_message(struct pg_session *s, struct pg_reader *r)
{
    struct slice name = pg_read_text(r);
    struct slice text = pg_read_text(r);
    uint32_t count = pg_read_u16(r);
    if (r->failed || count > PG_PARAMETERS_MAX) {
        extended_error(s, "08P01", "malformed Parse message");
        return;
    }
    if (name.size != 0 && statement_find(s, name) != NULL) {
        extended_error(s, "42P05", "prepared statement already exists");
        return;
    }
    if (s->object_count >= PG_STATEMENTS_MAX) {
        extended_error(s, "54000", "too many prepared statements; close some (DEALLOCATE)");
        return;
    }
    statement_close(s, name);
    struct pg_statement *st = MEM_NEW(struct pg_statement);
    st->name = (char *)(uintptr_t)arena_copy(&st->arena, name).data;
    /* More than one statement is not allowed here; PostgreSQL says so too. */
    struct slice rest;
    struct slice copy = arena_copy(&st->arena, text);
    st->text = query_split(copy, &rest);
    struct slice ignored;
    bool several = query_split(rest, &ignored).size != 0;
    st->parameter_count = count;
    st->oids = ARENA_ARRAY(&st->arena, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++)
        st->oids[i] = pg_read_u32(r);
    st->next = s->statements;
    s->statements = st;
    s->object_count++;
    if (!r->failed && r->at == r->end && !several) {
        pg_bare(&s->out, '1');
        return;
    }
    /* What was refused must not be bound later. */
    statement_close(s, name);
    if (several && !r->failed)
        extended_error(s, "42601", "cannot insert multiple commands into a prepared statement");
    else
        extended_error(s, "08P01", "malformed Parse message");
}

/* What the statement takes and gives; NULL for statements answered without the engine. */
static enum status shape_of(struct pg_session *s, struct slice text, struct query_shape **ret,
                            struct error *reterr)
{
    struct query_options options = s->server->options.limits;
    options.project = s->project;
    return query_describe(s->server->options.db, text, &options, ret, reterr);
}

static uint32_t formats_read(struct pg_reader *r, struct arena *arena, uint16_t **ret)
{
    uint32_t count = pg_read_u16(r);
    if (count > PG_PARAMETERS_MAX) {
        r->failed = true;
        return 0;
    }
    *ret = ARENA_ARRAY(arena, uint16_t, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        (*ret)[i] = pg_read_u16(r);
        r->failed = r->failed || (*ret)[i] > PG_FORMAT_BINARY;
    }
    return count;
}

/* Values into the portal. False: an error was sent. */
static bool parameters_read(struct pg_session *s, const struct pg_statement *st,
                            struct pg_portal *p, struct pg_reader *r)
{
    uint16_t *formats = NULL;
    uint32_t format_count = formats_read(r, &p->arena, &formats);
    uint32_t count = pg_read_u16(r);
    if (r->failed || count > PG_PARAMETERS_MAX || (format_count > 1 && format_count != count)) {
        extended_error(s, "08P01", "malformed Bind message");
        return false;
    }
    struct error error = {0};
    struct query_shape *shape = NULL;
    if (count > 0 && shape_of(s, st->text, &shape, &error) < 0) {
        session_error(s, &error, st->text);
        s->skip_to_sync = true;
        return false;
    }
    bool good = true;
    p->parameters = ARENA_ARRAY(&p->arena, struct query_value, count + 1);
    p->parameter_count = count;
    for (uint32_t i = 0; i < count && good; i++) {
        uint32_t size = pg_read_u32(r);
        p->parameters[i] = (struct query_value){.type = SQL_NULL};
        if (size == UINT32_MAX && !r->failed)
            continue;
        struct slice bytes = arena_copy(&p->arena, pg_read_bytes(r, size));
        uint32_t oid = i < st->parameter_count ? st->oids[i] : 0;
        enum sql_type guess = i < shape->parameter_count ? shape->parameters[i] : SQL_NULL;
        enum pg_format format = format_count == 0   ? PG_FORMAT_TEXT
                                : format_count == 1 ? (enum pg_format)formats[0]
                                                    : (enum pg_format)formats[i];
        /* A client that left the type open answers ParameterDescription in the type we guessed. */
        if (format == PG_FORMAT_BINARY && oid == 0)
            oid = pg_oid_of(guess);
        if (!r->failed &&
            pg_parameter_read(bytes, oid, format, guess, &p->parameters[i], &error) < 0) {
            session_error(s, &error, st->text);
            s->skip_to_sync = true;
            good = false;
        }
    }
    query_shape_destroy(shape);
    return good;
}

static void bind_message(struct pg_session *s, struct pg_reader *r)
{
    struct slice portal_name = pg_read_text(r);
    struct slice statement_name = pg_read_text(r);
    struct pg_statement *st = statement_find(s, statement_name);
    if (r->failed || st == NULL) {
        extended_error(s, r->failed ? "08P01" : "26000",
                       r->failed ? "malformed Bind message" : "prepared statement does not exist");
        return;
    }
    if (portal_name.size != 0 && portal_find(s, portal_name) != NULL) {
        extended_error(s, "42P03", "portal already exists");
        return;
    }
    if (s->object_count >= PG_STATEMENTS_MAX) {
        extended_error(s, "54000", "too many portals; close some");
        return;
    }
    portal_close(s, portal_name);
    struct pg_portal *p = MEM_NEW(struct pg_portal);
    p->name = (char *)(uintptr_t)arena_copy(&p->arena, portal_name).data;
    p->text = arena_copy(&p->arena, st->text);
    p->next = s->portals;
    s->portals = p;
    s->object_count++;
    if (!parameters_read(s, st, p, r)) {
        portal_close(s, portal_name);
        return;
    }
    p->format_count = formats_read(r, &p->arena, &p->formats);
    if (r->failed || r->at != r->end) {
        portal_close(s, portal_name);
        extended_error(s, "08P01", "malformed Bind message");
        return;
    }
    pg_bare(&s->out, '2');
}

static void parameter_description(struct pg_session *s, const struct pg_statement *st,
                                  const struct query_shape *shape)
{
    uint32_t shaped = shape != NULL ? shape->parameter_count : 0;
    uint32_t count = shaped > st->parameter_count ? shaped : st->parameter_count;
    size_t start = pg_begin(&s->out, 't');
    pg_put_u16(&s->out, (uint16_t)count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t oid = i < st->parameter_count ? st->oids[i] : 0;
        if (oid == 0)
            oid = i < shaped ? pg_oid_of(shape->parameters[i]) : PG_TEXT;
        pg_put_u32(&s->out, oid);
    }
    pg_end(&s->out, start);
}

/* Describes a statement (st) or a portal (p): the columns it will give. */
static void describe(struct pg_session *s, const struct pg_statement *st, const struct pg_portal *p)
{
    struct slice text = st != NULL ? st->text : p->text;
    const uint16_t *formats = p != NULL ? p->formats : NULL;
    uint32_t format_count = p != NULL ? p->format_count : 0;
    const char *tag = NULL;
    struct query_result *canned = NULL;
    struct query_shape *shape = NULL;
    struct error error = {0};
    enum pg_answer answer = pg_command_answer(s, text, false, &tag, &canned, &error);
    if (answer == PG_ANSWER_QUERY && shape_of(s, text, &shape, &error) < 0)
        answer = PG_ANSWER_ERROR;
    if (answer == PG_ANSWER_ERROR) {
        session_error(s, &error, text);
        s->skip_to_sync = true;
        return;
    }
    if (st != NULL)
        parameter_description(s, st, shape);
    if (shape != NULL)
        row_description(s, shape->columns, shape->column_count, formats, format_count);
    else if (canned != NULL)
        row_description(s, canned->columns, canned->column_count, formats, format_count);
    else
        pg_bare(&s->out, 'n');
    pg_canned_destroy(canned);
    query_shape_destroy(shape);
}

static void describe_or_close(struct pg_session *s, char type, struct pg_reader *r)
{
    char what = (char)(pg_read_bytes(r, 1).size == 1 ? r->at[-1] : 0);
    struct slice name = pg_read_text(r);
    if (r->failed || r->at != r->end || (what != 'S' && what != 'P')) {
        extended_error(s, "08P01", "malformed Describe or Close message");
        return;
    }
    if (type == 'C') {
        if (what == 'S')
            statement_close(s, name);
        else
            portal_close(s, name);
        pg_bare(&s->out, '3');
        return;
    }
    struct pg_statement *st = what == 'S' ? statement_find(s, name) : NULL;
    struct pg_portal *p = what == 'P' ? portal_find(s, name) : NULL;
    if (st == NULL && p == NULL)
        extended_error(s, what == 'S' ? "26000" : "34000",
                       what == 'S' ? "prepared statement does not exist" : "portal does not exist");
    else
        describe(s, st, p);
}

static void execute_message(struct pg_session *s, struct pg_reader *r)
{
    struct slice name = pg_read_text(r);
    uint32_t rows_max = pg_read_u32(r);
    struct pg_portal *p = portal_find(s, name);
    if (r->failed || r->at != r->end || p == NULL) {
        extended_error(s, p == NULL && !r->failed ? "34000" : "08P01",
                       p == NULL && !r->failed ? "portal does not exist"
                                               : "malformed Execute message");
        return;
    }
    s->rows_max = (int32_t)rows_max > 0 ? rows_max : 0;
    execute_start(s, p);
}

void extended_message(struct pg_session *s, char type, struct slice body)
{
    struct pg_reader r = pg_reader_over(body);
    switch (type) {
    case 'P':
        parse_message(s, &r);
        return;
    case 'B':
        bind_message(s, &r);
        return;
    case 'E':
        execute_message(s, &r);
        return;
    default:
        describe_or_close(s, type, &r);
        return;
    }
}
