// Call records as rows of the table `acc`: OpenSIPS' columns, which existing reports read, and ours (sf_*). A record that is written
// twice, since nobody knew what became of the first time, is there once: `sf_record` is unique.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ha/cdr.hpp"
#include "ha/sql.hpp"

namespace sipfront::ha {

class CdrTable final : public CdrSink {
public:
    // `make_tables`: on connecting, makes tables that are missing (a database of our own, which nobody else administers).
    explicit CdrTable(std::unique_ptr<SqlConnector> connector, bool make_tables = false);

    // Texts longer than their column are cut: a record with half a URI is worth more than none.
    core::Status write(std::span<const Cdr> records, std::size_t& written) override;
    core::Status tick() override { return core::Done{}; }
    // That the table did not take, as it is; each was named in the log, and counts as written.
    [[nodiscard]] std::uint64_t refused() const noexcept override { return refused_; }

private:
    // Statements go before their connection does.
    struct Session {
        std::unique_ptr<SqlConnection> connection;
        std::map<std::size_t, std::unique_ptr<SqlStatement>> statements;  // by rows
    };

    SqlResult<core::Done> connected();
    SqlResult<core::Done> insert(std::span<const Cdr> records);
    SqlResult<core::Done> insert_rows(std::span<const Cdr> records);
    core::Status settle(const StoreError& error);

    std::unique_ptr<SqlConnector> connector_;
    bool make_tables_;
    Session session_;
    std::size_t limit_;  // records at once: fewer while one of them is suspect
    std::uint64_t refused_ = 0;
    // Kept for their memory.
    std::vector<std::string> texts_;
    std::vector<SqlValue> values_;
};

}  // namespace sipfront::ha
