/*
 * manifest_script.h - a script of commits that uses every kind of edit, shared by the manifest
 * tests.
 */
#ifndef DRIFTLINE_TESTS_MANIFEST_SCRIPT_H
#define DRIFTLINE_TESTS_MANIFEST_SCRIPT_H

#include "engine/base/id.h"
#include "engine/manifest/manifest.h"

#define SCRIPT_STEPS 12u

/* The edits of one step; what they point to is static. */
static inline uint32_t script_edits(uint32_t step, struct manifest_edit to[4])
{
    static struct manifest_segment segment;
    static struct manifest_segment segment_second;
    static struct manifest_pack pack;
    static struct manifest_patch patch;
    static struct manifest_client client;
    segment = (struct manifest_segment){.number = 10 + step,
                                        .project = 1,
                                        .table = 2,
                                        .tier = 1,
                                        .rows = 1000 * (step + 1),
                                        .bytes = 1u << 20,
                                        .time_min_ns = -5 - (int64_t)step,
                                        .time_max_ns = INT64_MAX - step,
                                        .seq_min = 1,
                                        .seq_max = UINT64_MAX,
                                        .fold_seq = step};
    segment_second = (struct manifest_segment){.number = 40 + step, .project = 2};
    pack = (struct manifest_pack){.number = 100 + step,
                                  .project = 1,
                                  .bytes = 7,
                                  .messages = 8,
                                  .text_bytes = 9,
                                  .seq_max = 10,
                                  .time_max_ns = INT64_MIN};
    patch = (struct manifest_patch){
        .number = 200 + step, .project = 2, .bytes = 1, .rows = 2, .seq_max = 3};
    client = (struct manifest_client){
        .id = {1, 2, 3, 0, 0xff}, .batch_seq = step, .seq = 5, .time_ns = -step};
    switch (step) {
    case 0:
        to[0] = (struct manifest_edit){.kind = EDIT_PROJECT_ADD, .project = 1, .name = "default"};
        return 1;
    case 1:
        to[0] = (struct manifest_edit){.kind = EDIT_PROJECT_ADD, .project = 2, .name = "a-b_9"};
        to[1] = (struct manifest_edit){.kind = EDIT_SEGMENT_ADD, .segment = &segment};
        return 2;
    case 2:
        to[0] = (struct manifest_edit){.kind = EDIT_PACK_ADD, .pack = &pack};
        to[1] = (struct manifest_edit){.kind = EDIT_CLIENT, .client = &client};
        to[2] = (struct manifest_edit){.kind = EDIT_WAL_KEEP, .value = 77};
        return 3;
    case 3:
        to[0] = (struct manifest_edit){.kind = EDIT_PATCH_ADD, .patch = &patch};
        return 1;
    case 4: /* A merge: one leaves, two come. */
        to[0] = (struct manifest_edit){.kind = EDIT_SEGMENT_REMOVE, .project = 1, .number = 11};
        to[1] = (struct manifest_edit){.kind = EDIT_SEGMENT_ADD, .segment = &segment};
        to[2] = (struct manifest_edit){.kind = EDIT_SEGMENT_ADD, .segment = &segment_second};
        return 3;
    case 5:
        to[0] = (struct manifest_edit){.kind = EDIT_CLIENT, .client = &client};
        return 1;
    case 6:
        to[0] = (struct manifest_edit){.kind = EDIT_NEXT_NUMBER, .value = 5000};
        return 1;
    case 7:
        to[0] = (struct manifest_edit){.kind = EDIT_PATCH_REMOVE, .project = 2, .number = 203};
        return 1;
    case 8:
        to[0] = (struct manifest_edit){.kind = EDIT_PACK_REMOVE, .project = 1, .number = 102};
        to[1] = (struct manifest_edit){.kind = EDIT_PACK_ADD, .pack = &pack};
        return 2;
    case 9:
        to[0] = (struct manifest_edit){.kind = EDIT_CLIENT_REMOVE, .client = &client};
        return 1;
    case 10:
        return 0; /* An empty commit is legal. */
    default:
        to[0] = (struct manifest_edit){.kind = EDIT_SEGMENT_ADD, .segment = &segment};
        to[1] = (struct manifest_edit){.kind = EDIT_WAL_KEEP, .value = 99};
        return 2;
    }
}

/* Everything the getters show, as bytes: two equal states give equal bytes. */
static inline void script_state(const struct manifest *m, struct buffer *to)
{
    uint32_t count;
    const char *const *names = manifest_projects(m, &count);
    buffer_reset(to);
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(to, "project %s\n", names[i]);
    const struct manifest_segment *s = manifest_segments(m, &count);
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(to, "segment %lu %u %u %u %lu %lu %ld %ld %lu %lu %lu\n", s[i].number,
                      s[i].project, s[i].table, s[i].tier, s[i].rows, s[i].bytes, s[i].time_min_ns,
                      s[i].time_max_ns, s[i].seq_min, s[i].seq_max, s[i].fold_seq);
    const struct manifest_pack *p = manifest_packs(m, &count);
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(to, "pack %lu %u %lu %lu %lu %lu %ld\n", p[i].number, p[i].project,
                      p[i].bytes, p[i].messages, p[i].text_bytes, p[i].seq_max, p[i].time_max_ns);
    const struct manifest_patch *a = manifest_patches(m, &count);
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(to, "patch %lu %u %lu %lu %lu\n", a[i].number, a[i].project, a[i].bytes,
                      a[i].rows, a[i].seq_max);
    const struct manifest_client *c = manifest_clients(m, &count);
    for (uint32_t i = 0; i < count; i++) {
        char hex[33] = "";
        hex_encode(c[i].id, 16, hex);
        buffer_printf(to, "client %.32s %lu %lu %ld\n", hex, c[i].batch_seq, c[i].seq,
                      c[i].time_ns);
    }
    buffer_printf(to, "keep %lu\n", manifest_wal_keep(m));
}

#endif
