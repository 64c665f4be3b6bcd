#include "ha/cdr_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ha/instant.hpp"

namespace sipfront::ha {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t us_per_s = 1'000'000;

// Sorted by name they are sorted by time.
std::string stamp(std::int64_t unix_us) {
    const Utc t{unix_us};
    return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", t.year(), t.month(), t.time.tm_mday, t.time.tm_hour, t.time.tm_min,
                       t.time.tm_sec);
}

// Of a file that rotate() made: ".20261123T024651Z-000".
bool is_rotated_suffix(std::string_view s) {
    constexpr std::string_view form =
        ".dddddddd"
        "Tdddddd"
        "Z-ddd";
    return s.size() == form.size() &&
           std::equal(s.begin(), s.end(), form.begin(), [](char c, char f) { return f == 'd' ? c >= '0' && c <= '9' : c == f; });
}

}  // namespace

CdrFile::~CdrFile() { close(); }

core::Error CdrFile::failed(const char* what) const {
    return {fmt::format("cdr.file {}: {}: {}; give a path on a disk with room that the daemon may write to", config_.file, what,
                        std::strerror(errno))};
}

std::int64_t CdrFile::interval_of(std::int64_t unix_us) const noexcept {
    const auto length = config_.rotate_interval.count();
    return length == 0 ? 0 : unix_us / us_per_s / length;
}

core::Status CdrFile::open() {
    fd_ = ::open(config_.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    struct stat s {};
    if (fd_ < 0 || fstat(fd_, &s) != 0) return failed("cannot be opened");
    if (!S_ISREG(s.st_mode)) {
        close();
        errno = EINVAL;
        return failed("is not a regular file");
    }
    size_ = static_cast<std::uint64_t>(s.st_size);
    // What an earlier life wrote last tells which interval the file is of.
    interval_ = size_ > 0 ? interval_of(std::int64_t{s.st_mtim.tv_sec} * us_per_s) : interval_of(unix_us_());
    char last = '\n';
    const int reader = size_ > 0 ? ::open(config_.file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (reader >= 0) {
        if (pread(reader, &last, 1, s.st_size - 1) != 1) last = '\n';
        ::close(reader);
    }
    // A line that a crash has cut stays alone.
    return last == '\n' ? core::Status{core::Done{}} : append("\n");
}

void CdrFile::close() noexcept {
    if (fd_ < 0) return;
    static_cast<void>(sync());
    ::close(fd_);
    fd_ = -1;
}

core::Status CdrFile::append(const std::string& line) {
    const auto n = ::write(fd_, line.data(), line.size());
    if (n == static_cast<ssize_t>(line.size())) {
        size_ += line.size();
        if (unsynced_ == 0) unsynced_ = unix_us_();
        return core::Done{};
    }
    if (n >= 0) errno = ENOSPC;
    const auto error = failed("cannot be written");
    // The part that was written would tear the line.
    if (n > 0) static_cast<void>(!ftruncate(fd_, static_cast<off_t>(size_)));
    return error;
}

core::Status CdrFile::sync() {
    if (unsynced_ == 0) return core::Done{};
    unsynced_ = 0;
    return fdatasync(fd_) == 0 ? core::Status{core::Done{}} : core::Status{failed("cannot be synchronised")};
}

bool CdrFile::due() const {
    if (size_ == 0 || unix_us_() < no_rotation_before_) return false;
    return (config_.rotate_size > 0 && size_ >= config_.rotate_size) || interval_of(unix_us_()) != interval_;
}

core::Status CdrFile::rotate() {
    static_cast<void>(sync());
    auto now = stamp(unix_us_());
    // The number of one that was removed meanwhile would stand in the wrong order.
    if (now != last_stamp_) next_number_ = 0;
    last_stamp_ = std::move(now);
    while (next_number_ < 1'000) {
        const auto name = fmt::format("{}.{}-{:03}", config_.file, last_stamp_, next_number_++);
        // Takes no name that is there.
        if (::renameat2(AT_FDCWD, config_.file.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) {
            close();
            ++rotations_;
            remove_old();
            return open();
        }
        if (errno != EEXIST) break;
    }
    // The file goes on as it is.
    no_rotation_before_ = unix_us_() + 60 * us_per_s;
    return failed("cannot be renamed");
}

void CdrFile::remove_old() const {
    if (config_.keep == 0) return;
    const fs::path active{config_.file};
    const auto prefix = active.filename().string();
    std::vector<fs::path> rotated;
    std::error_code error;
    for (fs::directory_iterator it{active.has_parent_path() ? active.parent_path() : ".", error}, end; !error && it != end;
         it.increment(error)) {
        const auto name = it->path().filename().string();
        if (name.starts_with(prefix) && is_rotated_suffix(std::string_view{name}.substr(prefix.size()))) rotated.push_back(it->path());
    }
    if (rotated.size() <= config_.keep) return;
    std::sort(rotated.begin(), rotated.end());
    rotated.resize(rotated.size() - config_.keep);
    for (const auto& old : rotated) fs::remove(old, error);
}

core::Status CdrFile::write(std::span<const Cdr> records, std::size_t& written) {
    written = 0;
    if (auto s = reopen(); !s) return s;
    core::Status result = core::Done{};
    for (const auto& cdr : records) {
        if (due())
            if (auto s = rotate(); !s) result = s;
        if (fd_ < 0) return result;
        if (auto s = append(to_json_line(cdr)); !s) return s;
        ++written;
    }
    return result;
}

core::Status CdrFile::reopen() {
    struct stat s {};
    // Whoever took the file away wants another one.
    if (fd_ >= 0 && fstat(fd_, &s) == 0 && s.st_nlink == 0) close();
    return fd_ < 0 ? open() : core::Status{core::Done{}};
}

core::Status CdrFile::tick() {
    if (auto s = reopen(); !s) return s;
    if (due())
        if (auto rotated = rotate(); !rotated) return rotated;
    const auto most = std::chrono::duration_cast<std::chrono::microseconds>(config_.sync_interval).count();
    if (most > 0 && unsynced_ != 0 && unix_us_() - unsynced_ >= most) return sync();
    return core::Done{};
}

}  // namespace sipfront::ha
