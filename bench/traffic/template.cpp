#include "bench/traffic/template.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sipfront::traffic {

Template::Template(std::string text) : text_{std::move(text)} {
    for (auto at = text_.find(number_mark); at != std::string::npos; at = text_.find(number_mark, at + number_mark.size())) {
        if (count_ == max_fields || at > UINT16_MAX) {
            std::fputs("a message template has too many numbers\n", stderr);
            std::abort();
        }
        fields_[count_++] = static_cast<std::uint16_t>(at);
    }
}

}  // namespace sipfront::traffic
