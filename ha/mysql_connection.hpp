// Connections to MySQL and MariaDB through Connector/C++.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ha/database.hpp"
#include "ha/sql.hpp"

namespace sipfront::ha {

class MysqlConnector final : public SqlConnector {
public:
    // An empty `name` connects to the server alone (CREATE DATABASE).
    explicit MysqlConnector(DatabaseConfig config);

    SqlResult<std::unique_ptr<SqlConnection>> connect() override;
    void leave_host() noexcept override;
    [[nodiscard]] std::string name() const override;

private:
    DatabaseConfig config_;
    std::vector<std::string> urls_;  // as the connector writes them
    std::size_t host_ = 0;           // in use, or the first to try
};

}  // namespace sipfront::ha
