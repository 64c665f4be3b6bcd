#include "ha/database.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <unistd.h>

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

core::Status check_place(const DatabaseConfig& config) {
    if (config.engine != DatabaseEngine::sqlite) return core::Done{};
    const std::filesystem::path file{config.path};
    const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
    const auto failed = [&](const std::string& what, const std::string& why) {
        return core::Error{
            "database.path " + config.path + ": " + what + ": " + why +
            "; let the daemon write there, give another database.path, or set database.engine to \"none\" to keep no dialogs"};
    };
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return failed("the directory cannot be made", error.message());
    if (::access(folder.c_str(), W_OK | X_OK) != 0) return failed("the directory cannot be written to", std::strerror(errno));
    if (std::filesystem::exists(file, error) && !std::filesystem::is_regular_file(file, error))
        return failed("is no file", "something else is there");
    if (::access(file.c_str(), R_OK | W_OK) != 0 && errno != ENOENT) return failed("cannot be written to", std::strerror(errno));
    return core::Done{};
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
