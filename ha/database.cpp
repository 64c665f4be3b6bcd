#include "ha/database.hpp"

#include <charconv>

#include "ha/cdr_table.hpp"
#include "ha/mysql_connection.hpp"
#include "ha/sql_store.hpp"
#include "ha/sqlite_connection.hpp"

namespace sipfront::ha {

DatabaseHost parse_database_host(const std::string& text) {
    DatabaseHost out;
    std::string_view rest = text;
    if (rest.starts_with('[')) {
        const auto end = rest.find(']');
        if (end == std::string_view::npos) return {};
        out.host = rest.substr(1, end - 1);
        rest.remove_prefix(end + 1);
    } else {
        const auto end = std::min(rest.find(':'), rest.size());
        out.host = rest.substr(0, end);
        rest.remove_prefix(end);
    }
    if (out.host.find_first_of(" /@[]") != std::string::npos) return {};
    if (rest.empty()) return out;
    rest.remove_prefix(1);
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out.port);
    if (error != std::errc{} || end != rest.data() + rest.size() || out.port == 0) return {};
    return out;
}

std::unique_ptr<SqlConnector> make_connector(const DatabaseConfig& config) {
    switch (config.engine) {
        case DatabaseEngine::sqlite:
            return std::make_unique<SqliteConnector>(config.path);
        case DatabaseEngine::mysql:
            return std::make_unique<MysqlConnector>(config);
        case DatabaseEngine::none:
            break;
    }
    return nullptr;
}

std::unique_ptr<DialogStore> make_dialog_store(const DatabaseConfig& config) {
    auto connector = make_connector(config);
    if (!connector) return nullptr;
    // An SQLite file is ours alone; the tables of a server are its administrator's.
    return std::make_unique<SqlStore>(std::move(connector), config.engine == DatabaseEngine::sqlite);
}

std::unique_ptr<CdrSink> make_cdr_table(const DatabaseConfig& config) {
    auto connector = make_connector(config);
    if (!connector) return nullptr;
    return std::make_unique<CdrTable>(std::move(connector), config.engine == DatabaseEngine::sqlite);
}

}  // namespace sipfront::ha
