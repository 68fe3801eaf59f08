// What compilers name differently.
#pragma once

#ifdef _MSC_VER
#define INIF_INLINE __forceinline
#else
#define INIF_INLINE inline __attribute__((always_inline))
#endif

// Loops of independent steps, that compilers should not unroll before they make vectors of them.
#if defined(__clang__)
#define INIF_VECTOR _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#pragma clang diagnostic ignored "-Wpass-failed"  // some loops are too short for it
#elif defined(__GNUC__)
#define INIF_VECTOR _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#else
#define INIF_VECTOR
#endif

// Functions that are built twice, for processors with AVX2 and for all; integers are the same.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__) && \
    !defined(INIF_SANITIZE)
#define INIF_WITH_AVX2
#define INIF_EVERY_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define INIF_EVERY_PROCESSOR
#endif
