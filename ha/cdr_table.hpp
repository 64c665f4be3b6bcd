// Call records as rows of the table `acc`: OpenSIPS' columns, which existing reports read, and ours (sf_*). A record that is written
// twice, since nobody knew what became of the first time, is there once: `sf_record` is unique.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ha/cdr.hpp"
#include "ha/sql_session.hpp"

namespace sipfront::ha {

class CdrTable final : public CdrSink {
public:
    // `make_tables`: see SqlSession.
    explicit CdrTable(std::unique_ptr<SqlConnector> connector, bool make_tables = false);

    // Texts longer than their column are cut: a record with half a URI is worth more than none.
    core::Status write(std::span<const Cdr> records, std::size_t& written) override;
    core::Status tick() override { return core::Done{}; }
    // That the table did not take, as it is; each was named in the log, and counts as written.
    [[nodiscard]] std::uint64_t refused() const noexcept override { return refused_; }

private:
    SqlResult<core::Done> insert(std::span<const Cdr> records);
    SqlResult<core::Done> insert_rows(std::span<const Cdr> records);
    core::Status settle(const StoreError& error);

    SqlSession<SqlStatements> session_;
    std::size_t limit_;  // records at once: fewer while one of them is suspect
    std::uint64_t refused_ = 0;
    // Kept for their memory.
    std::vector<std::string> texts_;
    std::vector<SqlValue> values_;
};

}  // namespace sipfront::ha
