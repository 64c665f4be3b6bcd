// Connections to an SQLite file, in WAL mode: readers and the one writer do not wait for each other.
#pragma once

#include <memory>
#include <string>

#include "ha/sql.hpp"

namespace sipfront::ha {

class SqliteConnector final : public SqlConnector {
public:
    // Makes the file, and its directory, when they are missing.
    explicit SqliteConnector(std::string path);

    SqlResult<std::unique_ptr<SqlConnection>> connect() override;
    [[nodiscard]] std::string name() const override { return "sqlite " + path_; }

private:
    std::string path_;
};

}  // namespace sipfront::ha
