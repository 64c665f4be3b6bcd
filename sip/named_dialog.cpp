#include "sip/named_dialog.hpp"

#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

std::optional<NamedDialog> read(std::string_view value, std::string_view recipient, std::string_view other) noexcept {
    const auto semicolon = value.find(';');
    if (semicolon == 0 || semicolon == std::string_view::npos) return std::nullopt;
    const auto params = value.substr(semicolon + 1);
    const auto recipient_tag = find_param(params, recipient);
    const auto other_tag = find_param(params, other);
    if (!recipient_tag || !other_tag) return std::nullopt;
    return NamedDialog{.call_id = trim(value.substr(0, semicolon)), .recipient_tag = *recipient_tag, .other_tag = *other_tag};
}

}  // namespace

std::optional<NamedDialog> named_dialog(const Message& m) noexcept {
    for (const auto id : {HeaderId::replaces, HeaderId::join})
        if (const auto* h = m.first(id)) return read(m.at(h->value), "to-tag", "from-tag");
    const auto* h = m.first(HeaderId::target_dialog);
    auto found = h != nullptr ? read(m.at(h->value), "local-tag", "remote-tag") : std::nullopt;
    if (found) found->either_way = true;
    return found;
}

}  // namespace sipfront::sip
