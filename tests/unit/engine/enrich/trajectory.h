/*
 * trajectory.h - recorded agent runs as the spans an agent would have sent: each assistant message is a generation whose
 * input is everything before it. The file is an array of {"reward":0|1,"traj":[chat messages]} (tau-bench).
 */
#ifndef DRIFTLINE_TESTS_TRAJECTORY_H
#define DRIFTLINE_TESTS_TRAJECTORY_H

#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/enrich/scorer.h"

#define TRAJECTORIES_MAX        1024u
#define TRAJECTORY_MESSAGES_MAX 256u

struct trajectory {
    bool rewarded;
    uint32_t count;
    struct text_message messages[TRAJECTORY_MESSAGES_MAX];
    bool is_step[TRAJECTORY_MESSAGES_MAX]; /* said by the assistant */
    bool is_user[TRAJECTORY_MESSAGES_MAX];
};

static inline bool body_has_role(struct slice body, const char *role)
{
    struct json j = json_over(body);
    (void)json_next(&j);
    while (json_next(&j) == JSON_KEY) {
        bool is_role = slice_is(j.raw, "role");
        enum json_token t = json_next(&j);
        if (is_role)
            return slice_is(j.raw, role);
        (void)json_skip(&j, t);
    }
    return false;
}

static inline void trajectory_messages_read(struct json *j, struct trajectory *t)
{
    for (enum json_token token; (token = json_next(j)) > 0 && token != JSON_ARRAY_END;) {
        struct slice body = json_skip(j, token);
        if (t->count == TRAJECTORY_MESSAGES_MAX)
            continue;
        t->is_step[t->count] = body_has_role(body, "assistant");
        t->is_user[t->count] = body_has_role(body, "user");
        t->messages[t->count++] = (struct text_message){hash128(body), body};
    }
}

/* Bodies point into the text. Returns how many trajectories were read. */
static inline uint32_t trajectories_read(struct slice text, struct trajectory *to, uint32_t max)
{
    struct json j = json_over(text);
    uint32_t count = 0;
    if (json_next(&j) != JSON_ARRAY_BEGIN)
        return 0;
    while (count < max && json_next(&j) == JSON_OBJECT_BEGIN) {
        struct trajectory *t = &to[count++];
        *t = (struct trajectory){0};
        while (json_next(&j) == JSON_KEY) {
            bool is_messages = slice_is(j.raw, "traj");
            bool is_reward = slice_is(j.raw, "reward");
            enum json_token token = json_next(&j);
            if (is_messages && token == JSON_ARRAY_BEGIN)
                trajectory_messages_read(&j, t);
            else if (is_reward && token == JSON_NUMBER)
                t->rewarded = json_double(&j) > 0.5;
            else
                (void)json_skip(&j, token);
        }
    }
    return count;
}

#endif
