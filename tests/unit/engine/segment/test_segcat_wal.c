/*
 * test_segcat_wal.c - segcat --wal on a log file laid out by hand after FORMAT.md 4.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "segment_text.h"

static void zeros_to(struct buffer *b, size_t multiple)
{
    while (b->size % multiple != 0)
        put_u8(b, 0);
}

/* 4.5: spans, tags and one message. */
static void commit_put(struct buffer *b, const struct batch *spans, const struct batch *tags)
{
    struct buffer batches[2] = {{0}, {0}};
    batch_encode(spans, &batches[0]);
    batch_encode(tags, &batches[1]);
    put_u32(b, 1);
    put_u32(b, 1);
    for (uint32_t i = 0; i < 4; i++)
        put_u64(b, 0);
    put_u64(b, batches[0].size);
    put_u64(b, 0);
    put_u64(b, batches[1].size);
    buffer_add_slice(b, buffer_slice(&batches[0]));
    buffer_add_slice(b, buffer_slice(&batches[1]));
    put_u32(b, 5);
    buffer_add_text(b, "hello");
    buffer_deinit(&batches[0]);
    buffer_deinit(&batches[1]);
}

/* 4.2: a frame with one record. */
static void frame_put(struct buffer *file, uint64_t seq, uint8_t type, struct slice payload)
{
    struct buffer frame = {0};
    put_u32(&frame, 0x43574c44);
    put_u32(&frame, 1);
    put_u64(&frame, 7); /* file */
    put_u64(&frame, 0x1234);
    put_u64(&frame, file->size);
    put_u64(&frame, seq - 1);
    put_u64(&frame, seq);
    put_u32(&frame, 1);
    put_u32(&frame, (uint32_t)(12 + payload.size));
    put_u64(&frame, 0);
    put_u64(&frame, 0);
    put_u32(&frame, (uint32_t)payload.size);
    put_u32(&frame, 3); /* project */
    put_u32(&frame, type);
    buffer_add_slice(&frame, payload);
    zeros_to(&frame, 4096);
    uint64_t body = hash64(slice_of(frame.data + 72, frame.size - 72));
    memcpy(frame.data + 56, &body, 8);
    uint64_t head = hash64(slice_of(frame.data, 64));
    memcpy(frame.data + 64, &head, 8);
    buffer_add_slice(file, buffer_slice(&frame));
    buffer_deinit(&frame);
}

static struct buffer wal_make(void)
{
    struct schema schema;
    struct builder spans;
    struct builder tags;
    struct buffer payload = {0};
    struct buffer file = {0};
    schema_init(&schema);
    builder_init(&spans, TABLE_SPANS, &schema);
    builder_init(&tags, TABLE_TAGS, &schema);
    const struct column *score;
    MUST(schema_add_score(&schema, slice_text("score.a"), &score, NULL));
    for (uint32_t i = 0; i < 3; i++) {
        builder_row(&spans);
        builder_i64(&spans, SPANS_time, 10 + i);
        builder_id64(&spans, SPANS_span_id, 0xab00 + i);
        if (i != 1) {
            builder_str(&spans, SPANS_model, slice_text(i == 0 ? "m\"0" : "m2"));
            builder_str(&spans, SPANS_attributes, slice_text(i == 0 ? "x" : ""));
            builder_f64(&spans, score->id, 0.5);
        }
    }
    builder_row(&tags);
    builder_i64(&tags, TAGS_time, 99);
    builder_str(&tags, TAGS_class, slice_text("timeout"));
    struct batch spans_batch = builder_batch(&spans);
    struct batch tags_batch = builder_batch(&tags);
    commit_put(&payload, &spans_batch, &tags_batch);
    frame_put(&file, 41, 1, buffer_slice(&payload));
    frame_put(&file, 42, 9, slice_text("other"));
    buffer_deinit(&payload);
    builder_deinit(&spans);
    builder_deinit(&tags);
    schema_deinit(&schema);
    return file;
}

static int run(const char *path, struct slice bytes, struct buffer *ret)
{
    char command[1200];
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL);
    (void)fwrite(bytes.data, 1, bytes.size, f);
    (void)fclose(f);
    cr_assert(getenv("SEGCAT") != NULL, "SEGCAT names no program");
    (void)snprintf(command, sizeof command, "'%s' --wal '%s' 2>/dev/null", getenv("SEGCAT"), path);
    f = popen(command, "r");
    cr_assert(f != NULL);
    buffer_reset(ret);
    for (size_t n = 1; n > 0; ret->size += n)
        n = fread(buffer_reserve(ret, 4096), 1, 4096, f);
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(segcat_wal, rows_messages_torn_ends_and_gaps)
{
    static const char want[] =
        "{\"log_seq\":41,\"project\":3,\"table\":\"spans\",\"time\":10,\"span_id\":"
        "\"000000000000ab00\",\"model\":\"m\\\"0\",\"attributes\":\"x\",\"score.a\":0.5}\n"
        "{\"log_seq\":41,\"project\":3,\"table\":\"spans\",\"time\":11,\"span_id\":"
        "\"000000000000ab01\"}\n"
        "{\"log_seq\":41,\"project\":3,\"table\":\"spans\",\"time\":12,\"span_id\":"
        "\"000000000000ab02\",\"model\":\"m2\",\"attributes\":\"\",\"score.a\":0.5}\n"
        "{\"log_seq\":41,\"project\":3,\"table\":\"tags\",\"time\":99,\"class\":\"timeout\"}\n"
        "{\"log_seq\":41,\"project\":3,\"table\":\"messages\",\"address\":"
        "\"b5e9c1ad071b3e7fc779cfaa5e523818\",\"bytes\":5}\n"
        "{\"log_seq\":42,\"project\":3,\"type\":9,\"bytes\":5}\n";
    char directory[] = "/tmp/segcat-wal-XXXXXX";
    char path[64];
    struct buffer file = wal_make();
    struct buffer got = {0};
    cr_assert(mkdtemp(directory) != NULL);
    (void)snprintf(path, sizeof path, "%s/0000000007.wal", directory);
    int code = run(path, buffer_slice(&file), &got);
    cr_assert(code == 0);
    put_u8(&got, 0);
    cr_assert(strcmp((const char *)got.data, want) == 0, "%s", (const char *)got.data);

    /* Damage to the last commit is a torn end, damage to the first one a gap. */
    file.data[file.size - 1] ^= 1;
    cr_assert(run(path, buffer_slice(&file), &got) == 0);
    cr_assert(got.size > 400);
    file.data[file.size - 1] ^= 1;
    file.data[100] ^= 1;
    cr_assert(run(path, buffer_slice(&file), &got) == 3);
    file.data[100] ^= 1;
    for (size_t size = 0; size < file.size; size += 1000)
        cr_assert(run(path, slice_of(file.data, size), &got) == 0);
    (void)unlink(path);
    (void)rmdir(directory);
    buffer_deinit(&file);
    buffer_deinit(&got);
}
