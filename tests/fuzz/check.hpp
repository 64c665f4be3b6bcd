// CHECK holds in every build type: a fuzz target's finding must not hide behind NDEBUG.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace sipfront::fuzz {

[[noreturn]] inline void fail(const char* what, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, what);
    std::abort();
}

}  // namespace sipfront::fuzz

#define CHECK(condition) ((condition) ? static_cast<void>(0) : ::sipfront::fuzz::fail(#condition, __FILE__, __LINE__))
