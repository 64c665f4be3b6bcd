// Text flush against an inaccessible page: one octet read beyond it crashes the test.
#pragma once

#include <cstdlib>
#include <cstring>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

namespace sipfront::test {

enum class Flush { end, start };

class GuardPage {
public:
    explicit GuardPage(std::string_view text, Flush flush = Flush::end) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const auto room = (text.size() / page + 1) * page;
        size_ = room + 2 * page;
        auto* const map = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED) std::abort();
        base_ = static_cast<char*>(map);
        char* const begin = base_ + page;
        char* const at = flush == Flush::end ? begin + room - text.size() : begin;
        if (!text.empty()) std::memcpy(at, text.data(), text.size());
        text_ = {at, text.size()};
        if (mprotect(base_, page, PROT_NONE) != 0 || mprotect(begin + room, page, PROT_NONE) != 0) std::abort();
    }
    ~GuardPage() { munmap(base_, size_); }
    GuardPage(const GuardPage&) = delete;
    GuardPage& operator=(const GuardPage&) = delete;

    // Valid as long as this lives.
    [[nodiscard]] std::string_view text() const { return text_; }
    // The last octets only, still flush against the page behind (Flush::end), or the first ones (Flush::start).
    [[nodiscard]] std::string_view last(std::size_t n) const { return text_.substr(text_.size() - n); }
    [[nodiscard]] std::string_view first(std::size_t n) const { return text_.substr(0, n); }

private:
    char* base_ = nullptr;
    std::size_t size_ = 0;
    std::string_view text_;
};

}  // namespace sipfront::test
