// Shapes of the tables that schema.cpp makes and compares.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ha/sql.hpp"

namespace sipfront::ha {

struct ColumnShape {
    std::string_view name;
    std::string_view type;  // with constraints; SQLite understands it too, but for keys
    int width = 0;          // of a text that must not be narrower; 0: any width does
    bool required = true;   // false: of the shape, but neither read nor written by need
};

struct TableShape {
    std::string_view name;
    std::string_view key;                  // its first column, and the primary key
    bool key_is_numbered = false;          // by the database
    bool key_is_wide = false;              // numbers that 32 bits would not last for
    int version = 0;                       // that goes to the table `version`; 0: none
    std::span<const ColumnShape> columns;  // without the key
};

// version, load_balancer, dispatcher, dialog, acc.
std::span<const TableShape> table_shapes() noexcept;
std::string create_text(const TableShape& table, SqlDialect dialect);

}  // namespace sipfront::ha
