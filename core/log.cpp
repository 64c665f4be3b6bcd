#include "core/log.hpp"

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>

namespace sipfront::core {
namespace {

// Other threads hold plain references to loggers, so none of them is destroyed before exit. The first one writes nowhere.
struct Log {
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::vector<std::shared_ptr<spdlog::logger>> loggers{std::make_shared<spdlog::logger>("silent")};
    std::atomic<spdlog::logger*> current{loggers.front().get()};
};

Log& state() {
    static Log log;
    return log;
}

// Throws spdlog_ex when the file cannot be opened.
spdlog::sink_ptr make_sink(const std::string& file) {
    if (file.empty()) return std::make_shared<spdlog::sinks::stderr_sink_mt>();
    if (file == "syslog") return std::make_shared<spdlog::sinks::syslog_sink_mt>("", LOG_PID, LOG_DAEMON, false);
    return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
}

// From now on log() is `next`. A thread that has just fetched the previous one must not write to a queue that is going away.
void replace(Log& s, spdlog::logger* next, std::shared_ptr<spdlog::details::thread_pool> pool) {
    auto* const previous = s.current.exchange(next, std::memory_order_acq_rel);
    if (previous != next) previous->set_level(spdlog::level::off);
    // The old queue's thread writes what it still has, then ends; a file keeps the quieter lines in its buffer.
    s.pool = std::move(pool);
    for (const auto& sink : previous->sinks()) sink->flush();
}

}  // namespace

Status log_open(const LogConfig& config) {
    if (config.queue == 0) return Error{"log: a queue of 0 holds no line; use 8192"};
    auto& s = state();
    try {
        const auto sink = make_sink(config.file);
        sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
        auto pool = std::make_shared<spdlog::details::thread_pool>(config.queue, 1);
        auto logger = std::make_shared<spdlog::async_logger>("sipfront", sink, pool, spdlog::async_overflow_policy::overrun_oldest);
        logger->set_level(config.level);
        logger->flush_on(spdlog::level::info);
        s.loggers.push_back(logger);
        replace(s, logger.get(), std::move(pool));
    } catch (const std::exception& e) {
        return Error{"log: " + std::string{e.what()} + "; leave the file empty for standard error, or name one that can be written"};
    }
    return Done{};
}

void log_close() { replace(state(), state().loggers.front().get(), nullptr); }

void log_level(spdlog::level::level_enum level) {
    auto& s = state();
    if (s.pool) s.current.load(std::memory_order_relaxed)->set_level(level);
}

std::size_t log_lost() {
    const auto& pool = state().pool;
    return pool ? pool->overrun_counter() : 0;
}

spdlog::logger& log() { return *state().current.load(std::memory_order_acquire); }

}  // namespace sipfront::core
