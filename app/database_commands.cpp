#include "app/database_commands.hpp"

#include <array>
#include <charconv>
#include <iomanip>
#include <memory>
#include <ostream>

#include "app/destination_rows.hpp"
#include "ha/destination_tables.hpp"
#include "ha/schema.hpp"

namespace sipfront::app {

namespace {

constexpr int done = 0, refused = 1, usage = 2;

using Connection = std::unique_ptr<ha::SqlConnection>;

template <class T>
std::optional<T> number(const std::string& text) {
    T n{};
    const auto* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, n);
    return error == std::errc{} && end == last ? std::optional{n} : std::nullopt;
}

class Commands {
public:
    Commands(const ha::DatabaseConfig& config, std::vector<std::string> words, std::ostream& out, std::ostream& err)
        : config_{config}, words_{std::move(words)}, out_{out}, err_{err} {}

    int run(const std::string& command) {
        if (config_.engine == ha::DatabaseEngine::none) return fail("database.engine is \"none\"; set it to \"mysql\" or \"sqlite\"");
        const auto verb = word(0);
        if (command == "db" && words_.size() == 1) {
            if (verb == "create") return create();
            if (verb == "check") return check();
            if (verb == "migrate") return migrate();
        }
        if (command == "dispatcher") {
            if (verb == "show" && words_.size() == 1) return show_dispatcher();
            if (verb == "addgw" && words_.size() >= 3 && words_.size() <= 7) return add_gateway();
            if (verb == "rmgw" && words_.size() == 2) return remove("dispatcher");
        }
        if (command == "lb") {
            if (verb == "show" && words_.size() == 1) return show_load_balancer();
            if (verb == "add" && (words_.size() == 4 || words_.size() == 5)) return add_host();
            if (verb == "rm" && words_.size() == 2) return remove("load_balancer");
        }
        return bad(
            "db create|check|migrate, dispatcher show|addgw SET URI [STATE [DESCRIPTION [WEIGHT [PRIORITY]]]]|rmgw ID, "
            "lb show|add GROUP URI RESOURCES [DESCRIPTION]|rm ID");
    }

private:
    [[nodiscard]] std::string word(std::size_t i) const { return i < words_.size() ? words_[i] : std::string{}; }
    int fail(const std::string& what) { return err_ << "sipfrontctl: " << what << '\n', refused; }
    int bad(const std::string& what) { return err_ << "sipfrontctl: usage: " << what << '\n', usage; }

    // Null after a complaint.
    Connection connect() {
        auto db = ha::make_connector(config_)->connect();
        if (db) return std::move(*db);
        fail(db.error().text);
        return nullptr;
    }

    int create() {
        // The database itself, where the user may make it; if not, the tables tell what is wrong.
        if (config_.engine == ha::DatabaseEngine::mysql) {
            auto server = config_;
            server.name.clear();
            if (auto db = ha::make_connector(server)->connect(); db)
                (void)(*db)->execute("CREATE DATABASE IF NOT EXISTS `" + config_.name + "` CHARACTER SET latin1");
        }
        const auto db = connect();
        if (!db) return refused;
        if (const auto made = ha::create_schema(*db); !made) return fail(made.error().text);
        return report(*db, "the tables are there");
    }

    int check() {
        const auto db = connect();
        return db ? report(*db, "the tables are as they should be") : refused;
    }

    int migrate() {
        const auto db = connect();
        if (!db) return refused;
        const auto mended = ha::migrate_schema(*db);
        if (!mended) return fail(mended.error().text);
        for (const auto& f : *mended)
            out_ << "mended " << f.table << (f.column.empty() ? "" : '.' + f.column) << ", which " << f.what << '\n';
        return report(*db, "the tables are as they should be");
    }

    int report(ha::SqlConnection& db, const char* well) {
        const auto found = ha::check_schema(db);
        if (!found) return fail(found.error().text);
        for (const auto& f : *found) out_ << f.to_string() << '\n';
        if (!found->empty()) return refused;
        out_ << well << '\n';
        return done;
    }

    // False after a complaint.
    bool sound(const ha::DestinationTables& one) {
        const auto rows = to_rows(one, {});
        // It has no number yet.
        for (const auto& what : rows.skipped) fail(what.substr(what.find(", ") + 2));
        return rows.skipped.empty();
    }

    template <class Entry>
    int insert(const Entry& entry) {
        const auto db = connect();
        if (!db) return refused;
        if (const auto inserted = ha::insert_destination(*db, entry); !inserted) return fail(inserted.error().text);
        out_ << "added; sipfrontctl reload makes a running daemon read it\n";
        return done;
    }

    int add_gateway() {
        ha::DispatcherEntry e;
        const auto set = number<std::uint32_t>(word(1)), state = number<std::uint32_t>(words_.size() > 3 ? word(3) : "0");
        const auto priority = number<std::int32_t>(words_.size() > 6 ? word(6) : "0");
        if (!set || !state || *state > 2 || !priority)
            return bad(
                "dispatcher addgw SET URI [STATE [DESCRIPTION [WEIGHT [PRIORITY]]]]; SET and PRIORITY are numbers, STATE is 0 (active), 1 "
                "(inactive) or 2 (probing)");
        e.setid = *set;
        e.destination = word(2);
        e.state = *state;
        e.description = word(4);
        if (words_.size() > 5) e.weight = word(5);
        e.priority = *priority;
        return sound({.load_balancer = {}, .dispatcher = {e}, .skipped = {}, .warnings = {}}) ? insert(e) : usage;
    }

    int add_host() {
        ha::LoadBalancerEntry e;
        const auto group = number<std::uint32_t>(word(1));
        if (!group) return bad("lb add GROUP URI RESOURCES [DESCRIPTION]; GROUP is a number, RESOURCES are as \"pstn=32\"");
        e.group_id = *group;
        e.dst_uri = word(2);
        e.resources = word(3);
        e.description = word(4);
        return sound({.load_balancer = {e}, .dispatcher = {}, .skipped = {}, .warnings = {}}) ? insert(e) : usage;
    }

    int remove(const std::string& table) {
        const auto id = number<std::uint32_t>(word(1));
        if (!id) return bad(table == "dispatcher" ? "dispatcher rmgw ID" : "lb rm ID");
        const auto db = connect();
        if (!db) return refused;
        const auto removed = ha::remove_destination(*db, table, *id);
        if (!removed) return fail(removed.error().text);
        if (*removed == 0) return fail(table + " has no row " + std::to_string(*id));
        out_ << "removed; sipfrontctl reload makes a running daemon forget it\n";
        return done;
    }

    // f(tables) prints; rows that cannot serve follow.
    template <class F>
    int show(const char* table, F&& print) {
        const auto db = connect();
        if (!db) return refused;
        const auto tables = ha::read_destinations(*db);
        if (!tables) return fail(tables.error().text);
        print(*tables);
        for (const auto& what : to_rows(*tables, {}).skipped)
            if (what.starts_with(table)) out_ << "cannot serve: " << what << '\n';
        return done;
    }

    int show_dispatcher() {
        return show("dispatcher", [&](const ha::DestinationTables& tables) {
            constexpr std::array<const char*, 3> states{"active", "inactive", "probing"};
            for (const auto& e : tables.dispatcher)
                out_ << "id=" << e.id << " set=" << e.setid << ' ' << e.destination << " state=" << (e.state < 3 ? states[e.state] : "?")
                     << " weight=" << e.weight << " priority=" << e.priority << (e.attrs.empty() ? "" : " attrs=" + e.attrs) << ' '
                     << std::quoted(e.description) << '\n';
        });
    }

    int show_load_balancer() {
        return show("load_balancer", [&](const ha::DestinationTables& tables) {
            for (const auto& e : tables.load_balancer)
                out_ << "id=" << e.id << " group=" << e.group_id << ' ' << e.dst_uri << ' ' << e.resources
                     << " probe_mode=" << e.probe_mode.value_or(2) << (e.attrs.empty() ? "" : " attrs=" + e.attrs) << ' '
                     << std::quoted(e.description) << '\n';
        });
    }

    const ha::DatabaseConfig& config_;
    std::vector<std::string> words_;
    std::ostream& out_;
    std::ostream& err_;
};

}  // namespace

int run_database_command(const ha::DatabaseConfig& config, const std::string& command, const std::vector<std::string>& arguments,
                         std::ostream& out, std::ostream& err) {
    return Commands{config, arguments, out, err}.run(command);
}

bool is_database_command(const std::string& command) { return command == "db" || command == "dispatcher" || command == "lb"; }

}  // namespace sipfront::app
