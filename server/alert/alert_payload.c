/*
 * alert_payload.c - writes the webhook's body.
 *
 * Privacy:  labels, numbers, the rendered summary and trace ids; never prompt or answer text of its own accord.
 */
#include "server/alert/alert_payload.h"

#include <math.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "server/alert/alert_labels.h"

void json_number(double value, struct buffer *to)
{
    struct query_value v = {.type = SQL_FLOAT, .f64 = value};
    if (!isfinite(value) || !query_value_text(&v, to))
        buffer_add_text(to, "null");
}

static void time_field(const char *name, int64_t time_ns, struct buffer *to)
{
    char text[TIME_TEXT_BYTES] = "0001-01-01T00:00:00Z";
    if (time_ns != 0)
        time_to_text(time_ns, text);
    buffer_printf(to, "\"%s\":\"%s\"", name, text);
}

/* {alertname="x",prompt_version="v2"} within {}: what groups notifications at the receiver. */
static void group_key(const struct label *labels, uint32_t count, struct buffer *to)
{
    struct buffer key = {0};
    buffer_add_text(&key, "{}:{");
    for (uint32_t i = 0; i < count; i++) {
        buffer_printf(&key, "%s%.*s=", i == 0 ? "" : ",", SLICE_ARG(labels[i].name));
        buffer_add_json(&key, labels[i].value);
    }
    buffer_add_text(&key, "}");
    buffer_add_json(to, buffer_slice(&key));
    buffer_deinit(&key);
}

static void extras(const struct incident *i, struct buffer *to)
{
    buffer_printf(to, "\"driftline\":{\"incident\":%lld,\"rule\":", (long long)i->id);
    buffer_add_json(to, i->rule);
    buffer_add_text(to, ",\"project\":");
    buffer_add_json(to, i->project_name);
    buffer_add_text(to, ",\"severity\":");
    buffer_add_json(to, i->severity);
    buffer_add_text(to, ",\"value\":");
    if (i->has_value)
        json_number(i->value, to);
    else
        buffer_add_text(to, "null");
    if (i->has_samples)
        buffer_printf(to, ",\"samples\":%lld", (long long)i->samples);
    else
        buffer_add_text(to, ",\"samples\":null");
    buffer_add_text(to, ",\"exemplars\":");
    buffer_add_slice(to, i->exemplars);
    buffer_add_text(to, ",\"reason\":");
    buffer_add_json(to, i->reason);
    buffer_add_text(to, "}");
}

static void generator_url(const struct incident *i, const char *external_url, struct buffer *to)
{
    struct buffer url = {0};
    if (external_url[0] != 0)
        buffer_printf(&url, "%s/api/v1/alerts?rule=%.*s", external_url, SLICE_ARG(i->rule));
    buffer_add_json(to, buffer_slice(&url));
    buffer_deinit(&url);
}

/* NULL labels are the empty text here: Alertmanager's labels are texts. */
static void label_texts(struct label *labels, uint32_t count, struct buffer *to)
{
    for (uint32_t i = 0; i < count; i++)
        labels[i].has_value = true;
    labels_write(labels, count, to);
}

enum status alert_payload_write(const struct incident *i, const char *receiver,
                                const char *external_url, struct buffer *to, struct error *reterr)
{
    struct arena arena = {0};
    struct label *set;
    struct label *group;
    uint32_t set_count;
    uint32_t group_count;
    const char *status = i->state == GROUP_INACTIVE ? "resolved" : "firing";
    enum status s;
    if ((s = labels_read(i->label_set, &arena, &set, &set_count, reterr)) < 0 ||
        (s = labels_read(i->group, &arena, &group, &group_count, reterr)) < 0)
        goto out;
    struct label *grouped = ARENA_ARRAY(&arena, struct label, group_count + 1);
    bytes_copy(grouped, group, group_count * sizeof *group);
    grouped[group_count++] = (struct label){slice_text("alertname"), i->rule, true};
    labels_sort(grouped, group_count);
    buffer_add_text(to, "{\"version\":\"4\",\"groupKey\":");
    group_key(grouped, group_count, to);
    buffer_printf(to, ",\"truncatedAlerts\":0,\"status\":\"%s\",\"receiver\":", status);
    buffer_add_json(to, slice_text(receiver));
    buffer_add_text(to, ",\"groupLabels\":");
    label_texts(grouped, group_count, to);
    buffer_add_text(to, ",\"commonLabels\":");
    label_texts(set, set_count, to);
    buffer_add_text(to, ",\"commonAnnotations\":{\"summary\":");
    buffer_add_json(to, i->summary);
    buffer_add_text(to, "},\"externalURL\":");
    buffer_add_json(to, slice_text(external_url));
    buffer_printf(to, ",\"alerts\":[{\"status\":\"%s\",\"labels\":", status);
    label_texts(set, set_count, to);
    buffer_add_text(to, ",\"annotations\":{\"summary\":");
    buffer_add_json(to, i->summary);
    buffer_add_text(to, "},");
    time_field("startsAt", i->fired_ns, to);
    buffer_add_byte(to, ',');
    time_field("endsAt", i->resolved_ns, to);
    buffer_add_text(to, ",\"generatorURL\":");
    generator_url(i, external_url, to);
    buffer_printf(to, ",\"fingerprint\":\"%s\",", i->fingerprint);
    extras(i, to);
    buffer_add_text(to, "}]}");
out:
    arena_deinit(&arena);
    return s;
}
