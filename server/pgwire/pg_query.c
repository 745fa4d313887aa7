/*
 * pg_query.c - messages of an authenticated session: the simple protocol here, the extended one in
 * pg_extended.c.
 */
#include "server/pgwire/pg_session.h"

void session_error(struct pg_session *s, const struct error *error, struct slice statement)
{
    size_t position = 0;
    if (error->position >= 0 && (uint64_t)error->position <= statement.size) {
        /* PostgreSQL counts characters of the whole message from 1; bytes that continue one don't count. */
        bool inside = s->in_simple && statement.data >= s->simple_text.data &&
                      statement.data <= s->simple_text.data + s->simple_text.size;
        const uint8_t *end = statement.data + error->position;
        position = 1;
        for (const uint8_t *at = inside ? s->simple_text.data : statement.data; at < end; at++)
            position += (*at & 0xc0) != 0x80;
    }
    pg_error(&s->out, "ERROR", pg_sqlstate(error), error->text, position);
    if (s->transaction == 'T')
        s->transaction = 'E';
}

void simple_next(struct pg_session *s)
{
    struct slice all = buffer_slice(&s->simple_text);
    struct slice rest = slice_of(all.data + s->simple_at, all.size - s->simple_at);
    struct slice after;
    struct slice statement = query_split(rest, &after);
    if (statement.size == 0) {
        if (s->simple_at == 0)
            pg_bare(&s->out, 'I');
        s->in_simple = false;
        pg_ready_for_query(&s->out, s->transaction);
        return;
    }
    s->simple_at = after.size == 0 ? all.size : (size_t)(after.data - all.data);
    portal_deinit(&s->simple_portal);
    s->simple_portal.text = statement;
    s->rows_max = 0;
    execute_start(s, &s->simple_portal);
}

void execute_finished(struct pg_session *s, bool failed)
{
    s->current = NULL;
    if (!s->in_simple) {
        s->skip_to_sync = failed;
        return;
    }
    portal_deinit(&s->simple_portal);
    if (failed) {
        s->in_simple = false;
        pg_ready_for_query(&s->out, s->transaction);
    }
}

static void simple_query(struct pg_session *s, struct slice body)
{
    struct pg_reader r = pg_reader_over(body);
    struct slice text = pg_read_text(&r);
    if (r.failed || r.at != r.end) {
        session_fatal(s, "08P01", "malformed query message");
        return;
    }
    buffer_reset(&s->simple_text);
    buffer_add_slice(&s->simple_text, text);
    s->simple_at = 0;
    s->in_simple = true;
}

void query_message(struct pg_session *s, char type, struct slice body)
{
    if (type == 'X') {
        s->state = PG_CLOSING;
        return;
    }
    if (type == 'S') {
        s->skip_to_sync = false;
        if (s->transaction == 'I')
            extended_portals_free(s);
        pg_ready_for_query(&s->out, s->transaction);
        return;
    }
    if (s->skip_to_sync)
        return;
    switch (type) {
    case 'Q':
        simple_query(s, body);
        return;
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
        extended_message(s, type, body);
        return;
    case 'H': /* Flush: everything goes out at the end of session_process anyway. */
        return;
    case 'd':
    case 'c':
    case 'f':
        return; /* COPY data that nobody asked for; PostgreSQL ignores it too. */
    default:
        session_fatal(s, "08P01", "unknown message type %d", type);
        return;
    }
}
