// Loads the messages of this folder and what is owed to each. The folder comes by SIPFRONT_CORPUS_DIR; see verdicts.txt.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sipfront::corpus {

struct Case {
    std::string name;
    std::string bytes;
    std::vector<std::string> owes, also_allowed;  // "forwarded", "dropped", "400", "4xx"
    bool policy_refusal = false;
    std::vector<std::string> parser;  // "parse", or names of ParseErrors
    std::string note;

    // Whether the parser may say so; `verdict` is "parse" or the name of a ParseError.
    [[nodiscard]] bool parser_may(std::string_view verdict) const { return std::ranges::find(parser, verdict) != parser.end(); }
};

inline std::string read_file(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    if (!in) throw std::runtime_error{"cannot read " + file.string()};
    return {std::istreambuf_iterator<char>{in}, {}};
}

// Words between blanks and commas; a lone "-" stands for none.
inline std::vector<std::string> words(std::string text) {
    std::ranges::replace(text, ',', ' ');
    std::istringstream in{text};
    std::vector<std::string> out{std::istream_iterator<std::string>{in}, {}};
    if (out == std::vector<std::string>{"-"}) out.clear();
    return out;
}

inline std::vector<Case> load(const std::filesystem::path& folder = SIPFRONT_CORPUS_DIR) {
    std::vector<Case> cases;
    std::istringstream lines{read_file(folder / "verdicts.txt")};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.front() == '#') continue;
        std::vector<std::string> columns;
        std::istringstream cells{line};
        for (std::string cell; std::getline(cells, cell, '|');) columns.push_back(cell);
        if (columns.size() < 5) throw std::runtime_error{"verdicts.txt: too few columns: " + line};
        columns.resize(6);
        const auto name = words(columns[0]).at(0);
        cases.push_back({name, read_file(folder / (name + ".sip")), words(columns[1]), words(columns[2]), words(columns[3]).at(0) == "yes",
                         words(columns[4]), columns[5].substr(std::min<std::size_t>(1, columns[5].size()))});
    }
    return cases;
}

}  // namespace sipfront::corpus
