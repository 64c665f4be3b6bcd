// The tables `load_balancer` and `dispatcher`, in the shapes of OpenSIPS 1.7 and of its newest version: columns that a table lacks
// take the value that a row without them means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ha/sql.hpp"

namespace sipfront::ha {

// Texts as they stand in the table: what they mean is the balancer's business.
struct LoadBalancerEntry {
    std::uint32_t id = 0, group_id = 0;
    std::string dst_uri, resources;
    std::optional<std::uint32_t> probe_mode;  // none: the row names none, and is probed
    std::string attrs, description;
    friend bool operator==(const LoadBalancerEntry&, const LoadBalancerEntry&) = default;
};

struct DispatcherEntry {
    std::uint32_t id = 0, setid = 0;
    std::string destination, socket;
    std::uint32_t state = 0;  // 0 active, 1 inactive, 2 probing; of 1.7's `flags` too
    std::string weight = "1";
    std::int32_t priority = 0;
    std::optional<std::uint32_t> probe_mode;
    std::string attrs, description;
    friend bool operator==(const DispatcherEntry&, const DispatcherEntry&) = default;
};

// A row that was left out, or taken although it can hardly be meant so.
struct RowRemark {
    std::string table;
    std::int64_t id = 0;
    std::string column, why, mend;
    // "load_balancer row 3, dst_uri: is empty; write the host's URI, as sip:10.77.0.103".
    [[nodiscard]] std::string to_string() const;
};

struct DestinationTables {
    std::vector<LoadBalancerEntry> load_balancer;  // by id
    std::vector<DispatcherEntry> dispatcher;
    std::vector<RowRemark> skipped, warnings;
};

SqlResult<DestinationTables> read_destinations(SqlConnection& db);

// For the operator's tools. What the entry leaves at its default, the table's own default serves.
SqlResult<core::Done> insert_destination(SqlConnection& db, const LoadBalancerEntry& entry);
SqlResult<core::Done> insert_destination(SqlConnection& db, const DispatcherEntry& entry);
// Rows deleted: 0 or 1.
SqlResult<std::uint64_t> remove_destination(SqlConnection& db, const std::string& table, std::uint32_t id);

}  // namespace sipfront::ha
