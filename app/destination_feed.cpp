#include "app/destination_feed.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "app/destination_rows.hpp"
#include "core/log.hpp"
#include "ha/schema.hpp"

namespace sipfront::app {

namespace {

// Whole or not at all: a file that was half written must not be what the next start begins with.
core::Status write_cache(const std::string& path, const std::string& text) {
    std::error_code failed;
    const auto folder = std::filesystem::path{path}.parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, failed);
    const auto draft = path + ".new";
    {
        std::ofstream file{draft, std::ios::trunc};
        if (!(file << text << std::flush)) return core::Error{draft + ": " + std::strerror(errno)};
    }
    std::filesystem::rename(draft, path, failed);
    if (failed) return core::Error{path + ": " + failed.message()};
    return core::Done{};
}

}  // namespace

core::Result<ha::DestinationTables> cached_destinations(const ha::DatabaseConfig& config) {
    if (config.destination_cache.empty()) return core::Error{"database.destination_cache is empty"};
    std::ifstream file{config.destination_cache};
    std::ostringstream text;
    if (!file || !(text << file.rdbuf())) return core::Error{config.destination_cache + ": " + std::strerror(errno)};
    auto tables = from_cache(text.str());
    if (!tables) return core::Error{config.destination_cache + ": " + tables.error().what};
    return tables;
}

core::Result<std::unique_ptr<DatabaseFeed>> DatabaseFeed::start(const ha::DatabaseConfig& config) {
    Fd ready{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (!ready) return core::Error{std::string{"eventfd: "} + std::strerror(errno)};
    return std::unique_ptr<DatabaseFeed>{new DatabaseFeed{config, std::move(ready)}};
}

DatabaseFeed::DatabaseFeed(const ha::DatabaseConfig& config, Fd ready)
    : config_{config}, ready_{std::move(ready)}, connector_{ha::make_connector(config_)}, thread_{[this] { run(); }} {}

DatabaseFeed::~DatabaseFeed() {
    {
        const std::lock_guard hold{mutex_};
        stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

std::uint64_t DatabaseFeed::request() {
    const std::lock_guard hold{mutex_};
    wake_.notify_one();
    return ++requests_;
}

std::optional<DestinationFeed::Answer> DatabaseFeed::take() {
    std::uint64_t count = 0;
    // Nothing to read is no error: whoever asks without having been told.
    [[maybe_unused]] const auto n = ::read(ready_.get(), &count, sizeof count);
    const std::lock_guard hold{mutex_};
    return std::exchange(answer_, std::nullopt);
}

std::string DatabaseFeed::name() const {
    const std::lock_guard hold{mutex_};
    return name_;
}

void DatabaseFeed::run() {
    std::unique_lock hold{mutex_};
    name_ = connector_->name();
    while (!stop_) {
        const auto due = [this] { return stop_ || requests_ > begun_; };
        if (succeeded_)
            wake_.wait(hold, due);
        else if (requests_ == begun_)
            wake_.wait_for(hold, retry_interval, due);
        if (stop_) break;
        begun_ = requests_;
        hold.unlock();
        auto tables = read();
        auto name = connector_->name();
        hold.lock();
        succeeded_ = succeeded_ || tables;
        name_ = std::move(name);
        answer_.emplace(Answer{begun_, std::move(tables)});
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(ready_.get(), &one, sizeof one);
    }
}

core::Result<ha::DestinationTables> DatabaseFeed::read() {
    // A connection for each reading: they are rare, and one that idles for hours is broken when it is needed.
    auto db = connector_->connect();
    if (!db) return core::Error{db.error().text};
    if (config_.engine == ha::DatabaseEngine::sqlite)
        if (auto made = ha::create_schema(**db); !made) return core::Error{made.error().text};
    auto tables = ha::read_destinations(**db);
    if (!tables) {
        if (tables.error().other_host || tables.error().kind == ha::StoreError::Kind::lost) connector_->leave_host();
        return core::Error{tables.error().text};
    }
    if (!config_.destination_cache.empty())
        if (const auto kept = write_cache(config_.destination_cache, to_cache(*tables)); !kept)
            core::log().warn("destinations are not kept for the next start: {}", kept.error().what);
    return std::move(*tables);
}

}  // namespace sipfront::app
