// Text with the call's number at fixed places: written by one copy and a few stores, compared without parsing. Pure.
#pragma once

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "bench/traffic/number.hpp"

namespace sipfront::traffic {

class Template {
public:
    // Stands for the number in the text given to the constructor.
    static constexpr std::string_view number_mark = "################";

    Template() = default;
    // At most `max_fields` marks; more end the program, for the texts are our own.
    explicit Template(std::string text);

    // The text it was made of.
    [[nodiscard]] const std::string& source() const noexcept { return text_; }
    [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }
    // Of the first number.
    [[nodiscard]] std::size_t number_offset() const noexcept { return fields_[0]; }

    // `out` has size() octets; returns their end.
    char* write(char* out, const NumberText& number) const noexcept {
        std::memcpy(out, text_.data(), text_.size());
        for (std::size_t i = 0; i < count_; ++i) std::memcpy(out + fields_[i], number.data(), number.size());
        return out + text_.size();
    }
    // Whether `bytes` begins with the text that write() makes.
    [[nodiscard]] bool begins(std::string_view bytes, const NumberText& number) const noexcept {
        if (bytes.size() < text_.size()) return false;
        std::size_t from = 0;
        for (std::size_t i = 0; i < count_; ++i) {
            const std::size_t field = fields_[i];
            if (std::memcmp(bytes.data() + from, text_.data() + from, field - from) != 0) return false;
            if (std::memcmp(bytes.data() + field, number.data(), number_digits) != 0) return false;
            from = field + number_digits;
        }
        return std::memcmp(bytes.data() + from, text_.data() + from, text_.size() - from) == 0;
    }
    [[nodiscard]] std::string text(const NumberText& number) const {
        std::string s(text_.size(), '\0');
        write(s.data(), number);
        return s;
    }

private:
    static constexpr std::size_t max_fields = 8;

    std::string text_;
    std::array<std::uint16_t, max_fields> fields_{};
    std::size_t count_ = 0;
};

}  // namespace sipfront::traffic
