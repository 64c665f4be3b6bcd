// Rows a second of a dialog store: a run's calls are born, answered and over, in batches as the journal writes them.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <sys/resource.h>

#include "ha/database.hpp"
#include "ha/schema.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::ha;

constexpr core::NodeId node{1};
constexpr std::uint64_t epoch = 1;

// splitmix64 (Steele, Lea, Flood 2014): ids are spread over 63 bits, as those of the daemon.
std::uint64_t id_of(std::uint64_t n) noexcept {
    n = (n + 1) * 0x9e3779b97f4a7c15;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
    n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
    return (n ^ (n >> 31)) >> 1 | 1;
}

// Some 700 octets, of a client behind a NAT and a host of the cluster.
DialogRow ringing(std::uint64_t n) {
    const auto unique = std::to_string(id_of(n));
    DialogRow r;
    r.dlg_id = id_of(n);
    r.callid = unique + "-2f7d1c55e1a64b0d8b7a@198.51.100.7";
    r.from_uri = "sip:+4930123456789@sip.example.net";
    r.from_tag = "as" + unique;
    r.to_uri = "sip:+442079460123@sip.example.net";
    r.caller_cseq = 102;
    r.caller_contact = "sip:+4930123456789@192.168.1.23:5062;transport=udp";
    r.caller_sock = r.callee_sock = "udp:10.77.0.100:5060";
    r.state = sip::DialogState::early;
    r.start_time = 1'700'000'000;
    r.timeout = 1'700'043'200;
    r.destination = "sip:10.77.0.103:5060";
    r.group = 1;
    r.resource = "pstn";
    r.version = 1'700'000'000'000'000 + static_cast<std::int64_t>(n);
    r.created = r.version;
    r.host = "udp:10.77.0.103:5060";
    r.client = "udp:198.51.100.7:40212";
    r.symmetric = true;
    r.request_uri = "sip:+442079460123@10.77.0.100:5060;user=phone";
    r.client_via = "SIP/2.0/UDP 192.168.1.23:5062;branch=z9hG4bK-524287-1---" + unique + ";rport";
    r.branch = "z9hG4bKsf1." + unique + ".5c1e0bd7a3f94e12";
    return r;
}

DialogRow answered(std::uint64_t n) {
    auto r = ringing(n);
    r.state = sip::DialogState::confirmed;
    r.from_uri.clear();
    r.to_uri.clear();
    r.to_tag = "gK" + std::to_string(id_of(n + 7));
    r.callee_contact = "sip:+442079460123@10.77.0.103:5060;transport=udp";
    r.request_uri.clear();
    r.client_via.clear();
    r.branch.clear();
    return r;
}

// Without its texts, as an ACK or a new CSeq leaves it.
DialogRow acknowledged(std::uint64_t n) {
    auto r = answered(n);
    r.caller_cseq = 103;
    for (const auto text :
         {&DialogRow::callid, &DialogRow::from_tag, &DialogRow::to_tag, &DialogRow::caller_contact, &DialogRow::callee_contact})
        (r.*text).clear();
    return r;
}

double cpu_seconds() {
    rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return seconds(use.ru_utime) + seconds(use.ru_stime);
}

struct Run {
    DialogStore& store;
    std::uint64_t rows, batch;
    bool failed = false;

    template <class Make>
    void phase(const char* name, Make&& write) {
        const auto begin = std::chrono::steady_clock::now();
        const auto cpu = cpu_seconds();
        std::uint64_t n = 0;
        for (; n < rows && !failed; n += batch) {
            if (const auto done = write(n, std::min(rows, n + batch)); !done) {
                std::cerr << name << ": " << done.error().text << '\n';
                failed = true;
            }
        }
        const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
        std::printf("%-9s %8.0f rows/s   %6.2f us/row of our CPU\n", name, static_cast<double>(rows) / wall.count(),
                    (cpu_seconds() - cpu) / static_cast<double>(rows) * 1e6);
    }
};

int run(DialogStore& store, std::uint64_t rows, std::uint64_t batch) {
    Run r{store, rows, batch};
    std::vector<DialogRow> some;
    std::vector<std::uint64_t> ids;
    const auto rows_of = [&](DialogRow (*make)(std::uint64_t), bool whole) {
        return [&, make, whole](std::uint64_t from, std::uint64_t to) {
            some.clear();
            for (auto n = from; n < to; ++n) some.push_back(make(n));
            const std::span<const DialogRow> none, all{some};
            return store.write({.node = node, .epoch = epoch, .upserts = whole ? all : none, .deletes = {}, .updates = whole ? none : all});
        };
    };
    r.phase("born", rows_of(ringing, true));
    r.phase("answered", rows_of(answered, true));
    r.phase("changed", rows_of(acknowledged, false));
    std::uint64_t seen = 0;
    const auto begin = std::chrono::steady_clock::now();
    const auto read = store.read([&](DialogRow&&) { return ++seen, true; });
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
    std::printf("%-9s %8.0f rows/s\n", "read", static_cast<double>(seen) / wall.count());
    r.phase("over", [&](std::uint64_t from, std::uint64_t to) {
        ids.clear();
        for (auto n = from; n < to; ++n) ids.push_back(id_of(n));
        return store.write({node, epoch, {}, ids});
    });
    if (seen != rows) std::cerr << "read " << seen << " rows of " << rows << '\n';
    return r.failed || !read || seen != rows ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App cli{"Rows a second that a dialog store takes. The database must be there; its dialog table is emptied."};
    DatabaseConfig config;
    config.engine = DatabaseEngine::mysql;
    std::string sqlite;
    std::uint64_t rows = 100'000, batch = 500;
    cli.add_option("--sqlite", sqlite, "a file instead of a server");
    cli.add_option("--socket", config.socket, "the server's Unix socket");
    cli.add_option("--hosts", config.hosts, "servers, host:port");
    cli.add_option("--user", config.user)->capture_default_str();
    cli.add_option("--password", config.password);
    cli.add_option("--name", config.name, "the database")->capture_default_str();
    cli.add_option("--rows", rows)->capture_default_str()->check(CLI::Range(1, 10'000'000));
    cli.add_option("--batch", batch)->capture_default_str()->check(CLI::Range(1, 100'000));
    CLI11_PARSE(cli, argc, argv);
    if (!sqlite.empty()) {
        config.engine = DatabaseEngine::sqlite;
        config.path = sqlite;
    }
    auto db = make_connector(config)->connect();
    const auto made = db ? create_schema(**db) : SqlResult<core::Done>{db.error()};
    const auto emptied = made ? (*db)->execute("DELETE FROM dialog") : SqlResult<std::uint64_t>{made.error()};
    if (!emptied) {
        std::cerr << emptied.error().text << '\n';
        return 1;
    }
    const auto store = make_dialog_store(config);
    std::printf("%s, batches of %llu\n", store->name().c_str(), static_cast<unsigned long long>(batch));
    return run(*store, rows, batch);
}
