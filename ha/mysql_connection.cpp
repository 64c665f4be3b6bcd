#include "ha/mysql_connection.hpp"

#include <fstream>
#include <mutex>
#include <utility>

#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>
#include <cppconn/statement.h>
#include <mysql_connection.h>
#include <mysql_driver.h>

#include "ha/mysql_error.hpp"

namespace sipfront::ha {

namespace {

sql::mysql::MySQL_Driver& driver() {
    static sql::mysql::MySQL_Driver* const the = sql::mysql::get_mysql_driver_instance();
    return *the;
}

StoreError error_of(const sql::SQLException& e) {
    const int number = e.getErrorCode();
    return {mysql_error_kind(number, e.getSQLState()), std::string{e.what()} + " (" + std::to_string(number) + ")",
            mysql_wants_other_host(number)};
}

// Runs what the connector may throw from. An exception that is not its own means that it is confused: connect again.
template <class T, class F>
SqlResult<T> guarded(F&& f) {
    try {
        return f();
    } catch (const sql::SQLException& e) {
        return error_of(e);
    } catch (const std::exception& e) {
        return StoreError{StoreError::Kind::lost, e.what()};
    }
}

class Row final : public SqlRow {
public:
    explicit Row(const sql::ResultSet& result) : result_{result} {}
    bool is_null(std::size_t column) const override { return result_.isNull(at(column)); }
    std::int64_t integer(std::size_t column) const override { return result_.getInt64(at(column)); }
    std::string text(std::size_t column) const override {
        const auto value = result_.getString(at(column));
        return {value.c_str(), value.length()};
    }

private:
    static std::uint32_t at(std::size_t column) { return static_cast<std::uint32_t>(column + 1); }
    const sql::ResultSet& result_;
};

class MysqlStatement final : public SqlStatement {
public:
    explicit MysqlStatement(std::unique_ptr<sql::PreparedStatement> statement) : statement_{std::move(statement)} {}

    SqlResult<std::uint64_t> execute(std::span<const SqlValue> values) override {
        return guarded<std::uint64_t>([&]() -> SqlResult<std::uint64_t> {
            for (std::size_t i = 0; i < values.size(); ++i) bind(static_cast<unsigned>(i + 1), values[i]);
            return static_cast<std::uint64_t>(statement_->executeUpdate());
        });
    }

private:
    void bind(unsigned at, const SqlValue& value) {
        if (const auto* number = std::get_if<std::int64_t>(&value)) {
            statement_->setInt64(at, *number);
        } else if (const auto* text = std::get_if<std::string_view>(&value)) {
            statement_->setString(at, sql::SQLString{text->data(), text->size()});
        } else {
            statement_->setNull(at, 0);
        }
    }

    std::unique_ptr<sql::PreparedStatement> statement_;
};

class MysqlConnection final : public SqlConnection {
public:
    explicit MysqlConnection(std::unique_ptr<sql::Connection> connection)
        : connection_{std::move(connection)}, statement_{connection_->createStatement()} {}

    SqlDialect dialect() const noexcept override { return SqlDialect::mysql; }

    SqlResult<std::uint64_t> execute(const std::string& text) override {
        return guarded<std::uint64_t>([&]() -> SqlResult<std::uint64_t> {
            statement_->execute(text);
            return static_cast<std::uint64_t>(statement_->getUpdateCount());
        });
    }

    SqlResult<core::Done> query(const std::string& text, const std::function<bool(const SqlRow&)>& row) override {
        return guarded<core::Done>([&]() -> SqlResult<core::Done> {
            const std::unique_ptr<sql::ResultSet> result{statement_->executeQuery(text)};
            const Row view{*result};
            while (result->next() && row(view)) {
            }
            return core::Done{};
        });
    }

    SqlResult<std::unique_ptr<SqlStatement>> prepare(const std::string& text) override {
        return guarded<std::unique_ptr<SqlStatement>>([&]() -> SqlResult<std::unique_ptr<SqlStatement>> {
            std::unique_ptr<sql::PreparedStatement> statement{connection_->prepareStatement(text)};
            return std::unique_ptr<SqlStatement>{std::make_unique<MysqlStatement>(std::move(statement))};
        });
    }

private:
    std::unique_ptr<sql::Connection> connection_;
    std::unique_ptr<sql::Statement> statement_;
};

SqlResult<std::string> password_of(const DatabaseConfig& config) {
    if (config.password_file.empty()) return config.password;
    std::ifstream file{config.password_file};
    std::string line;
    if (!std::getline(file, line) && !file.eof())
        return StoreError{StoreError::Kind::refused, "the password file " + config.password_file + " cannot be read"};
    return line;
}

SqlResult<std::unique_ptr<SqlConnection>> open(const DatabaseConfig& config, const std::string& url, const std::string& password) {
    return guarded<std::unique_ptr<SqlConnection>>([&]() -> SqlResult<std::unique_ptr<SqlConnection>> {
        sql::ConnectOptionsMap options;
        options["hostName"] = sql::SQLString{url};
        options["userName"] = sql::SQLString{config.user};
        options["password"] = sql::SQLString{password};
        if (!config.name.empty()) options["schema"] = sql::SQLString{config.name};
        options["OPT_CONNECT_TIMEOUT"] = static_cast<int>(config.connect_timeout.count());
        options["OPT_READ_TIMEOUT"] = static_cast<int>(config.read_timeout.count());
        options["OPT_WRITE_TIMEOUT"] = static_cast<int>(config.write_timeout.count());
        options["OPT_RECONNECT"] = false;
        options["OPT_LOCAL_INFILE"] = 0;
        if (!config.tls_ca.empty()) {
            options["sslCA"] = sql::SQLString{config.tls_ca};
            options["sslEnforce"] = true;
            options["sslVerify"] = true;
        }
        auto connection = std::make_unique<MysqlConnection>(std::unique_ptr<sql::Connection>{driver().connect(options)});
        // Octets pass as they are, whatever the columns hold. Nothing is cut silently. A lock wait ends before the read timeout does,
        // which would cost the connection.
        const auto lock_wait = std::to_string(std::max<std::int64_t>(1, config.read_timeout.count() - 1));
        for (const auto& text : {std::string{"SET NAMES latin1"},
                                 "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION autocommit = 1, "
                                 "SESSION innodb_lock_wait_timeout = " +
                                     lock_wait,
                                 std::string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}})
            if (auto done = connection->execute(text); !done) return done.error();
        return std::unique_ptr<SqlConnection>{std::move(connection)};
    });
}

}  // namespace

MysqlConnector::MysqlConnector(DatabaseConfig config) : config_{std::move(config)} {
    if (!config_.socket.empty()) {
        urls_.push_back("unix://" + config_.socket);
        return;
    }
    for (const auto& text : config_.hosts) {
        const auto h = parse_database_host(text);
        const bool v6 = h.host.find(':') != std::string::npos;
        urls_.push_back("tcp://" + (v6 ? '[' + h.host + ']' : h.host) + ':' + std::to_string(h.port));
    }
}

SqlResult<std::unique_ptr<SqlConnection>> MysqlConnector::connect() {
    static std::once_flag once;
    std::call_once(once, [] { driver(); });
    const auto password = password_of(config_);
    if (!password) return password.error();
    StoreError error;
    for (std::size_t i = 0; i < urls_.size(); ++i) {
        auto connection = open(config_, urls_[host_], *password);
        if (connection) return connection;
        // One that answers, and why it refuses, tells more than those that are down.
        if (connection.error().kind != StoreError::Kind::lost) error.kind = connection.error().kind;
        error.text += (i == 0 ? "" : "; ") + connection.error().text + " at " + name();
        leave_host();
    }
    return error;
}

void MysqlConnector::leave_host() noexcept {
    if (!urls_.empty()) host_ = (host_ + 1) % urls_.size();
}

std::string MysqlConnector::name() const {
    if (!config_.socket.empty()) return "mysql " + config_.socket;
    return urls_.empty() ? "mysql" : "mysql " + urls_[host_].substr(std::string_view{"tcp://"}.size());
}

}  // namespace sipfront::ha
