// The keys of [journal] and [cdr], and their rules.
#include <fmt/format.h>

#include "app/config_schema.hpp"

namespace sipfront::app {

using namespace std::chrono_literals;

void bind_journal(Binder& root, ha::JournalConfig& journal, ha::CdrConfig& cdr) {
    root.table("journal", [&](Binder& b) {
        b.duration("flush_interval", journal.flush_interval, 1ms, 1s);
        b.number("batch", journal.batch, 1, 5'000);
        b.number("writers", journal.writers, 1, 16);
        b.size("ring", journal.ring, 1ULL << 20, 1ULL << 30);
        b.size("max_pending", journal.max_pending, 16ULL << 20, 1ULL << 40);
    });
    root.table("cdr", [&](Binder& b) {
        b.text("file", cdr.file);
        b.flag("table", cdr.table);
        b.size("rotate_size", cdr.rotate_size, 0, 1ULL << 40);
        b.duration("rotate_interval", cdr.rotate_interval, 0s, 24h * 366);
        b.number("keep", cdr.keep, 0, 1'000'000);
        b.duration("sync_interval", cdr.sync_interval, 0s, 1min);
        b.number("queue", cdr.queue, 1'024, 1 << 24);
    });
}

void check_journal(const Config& config, Binding& out) {
    const auto& cdr = config.cdr;
    if (cdr.table && config.database.engine == ha::DatabaseEngine::none)
        out.fail("cdr.table", "is set, and there is no database",
                 "set database.engine to \"mysql\" or \"sqlite\", or give cdr.file instead");
    if (cdr.file.empty()) return;
    if (cdr.file.front() != '/' || cdr.file.back() == '/')
        out.fail("cdr.file", fmt::format("\"{}\" is not an absolute path of a file", cdr.file),
                 "write it as \"/var/log/sipfront/cdr.json\"");
    if (cdr.file == config.log.file) out.fail("cdr.file", "is the log's file, too", "give each a file of its own");
    constexpr std::uint64_t least = 64 * 1024;
    if (cdr.rotate_size != 0 && cdr.rotate_size < least)
        out.fail("cdr.rotate_size", fmt::format("is {}, which a few calls fill", format_size(cdr.rotate_size)),
                 fmt::format("give at least {}, or 0 to rotate by time alone", format_size(least)));
    if (cdr.rotate_interval != 0s && cdr.rotate_interval < 1min)
        out.fail("cdr.rotate_interval", fmt::format("is {}", format_duration(cdr.rotate_interval)),
                 "give at least 1m, or \"0s\" to rotate by size alone");
}

}  // namespace sipfront::app
