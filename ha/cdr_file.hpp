// Call records as lines of JSON in a file that is rotated by size and time. No line is ever torn, and no rotated file overwritten.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ha/cdr.hpp"
#include "ha/journal_config.hpp"

namespace sipfront::ha {

class CdrFile final : public CdrSink {
public:
    // `unix_us`: the wall clock. Opens nothing yet: a directory that is missing now may be there later.
    CdrFile(CdrConfig config, std::function<std::int64_t()> unix_us) : config_{std::move(config)}, unix_us_{std::move(unix_us)} {}
    ~CdrFile() override;
    CdrFile(const CdrFile&) = delete;
    CdrFile& operator=(const CdrFile&) = delete;

    core::Status write(std::span<const Cdr> records, std::size_t& written) override;
    core::Status tick() override;

    [[nodiscard]] std::uint64_t rotations() const noexcept { return rotations_; }

private:
    core::Status open();
    core::Status append(const std::string& line);
    core::Status sync();
    core::Status rotate();
    void close() noexcept;
    void remove_old() const;
    core::Status reopen();
    [[nodiscard]] bool due() const;
    [[nodiscard]] std::int64_t interval_of(std::int64_t unix_us) const noexcept;
    [[nodiscard]] core::Error failed(const char* what) const;

    CdrConfig config_;
    std::function<std::int64_t()> unix_us_;
    int fd_ = -1;
    std::uint64_t size_ = 0;     // whole lines only
    std::int64_t interval_ = 0;  // that the file's records belong to
    std::int64_t unsynced_ = 0;  // since when; 0: all is on the disk
    std::uint64_t rotations_ = 0;
    std::string last_stamp_;  // of a rotated file's name
    int next_number_ = 0;     // behind the same stamp
    std::int64_t no_rotation_before_ = 0;
};

}  // namespace sipfront::ha
