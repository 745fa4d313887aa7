/*
 * hot.h - marks loops that are worth a second copy for AVX2, chosen when the program starts.
 */
#ifndef DRIFTLINE_QUERY_HOT_H
#define DRIFTLINE_QUERY_HOT_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(undefined_behavior_sanitizer)
#define HOT_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOT_SANITIZED 1
#endif

/* Sanitizers can't run before the resolvers of such copies do. */
#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(HOT_SANITIZED) && !defined(__clang__)
#define HOT __attribute__((target_clones("avx2", "default")))
#else
#define HOT
#endif

#endif
