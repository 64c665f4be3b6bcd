// URIs, name-addr values, parameters and comma-separated lists: whatever is accepted is made of views into the input that fit
// together to what was read.
#include <cstdint>
#include <string>
#include <string_view>

#include "sip/uri.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace sipfront::sip;

bool inside(std::string_view part, std::string_view whole) {
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_param(std::optional<std::string_view> value, std::string_view params) {
    if (value) CHECK(value->data() != nullptr && inside(*value, params));
}

void check_uri(std::string_view text) {
    const auto u = parse_uri(text);
    if (!u) return;
    CHECK(!u->scheme_name.empty() && inside(u->scheme_name, text) && u->scheme_name.data() == text.data());
    CHECK((u->scheme == Scheme::sip) == iequals(u->scheme_name, "sip") && (u->scheme == Scheme::sips) == iequals(u->scheme_name, "sips"));
    CHECK((u->scheme == Scheme::tel) == iequals(u->scheme_name, "tel"));
    CHECK(text.find_first_of(" \t\r\n<>") == std::string_view::npos);
    CHECK(inside(u->host, text));
    if (u->scheme == Scheme::other || u->scheme == Scheme::tel) {
        CHECK(text.size() == u->scheme_name.size() + 1 + u->host.size());
        return;
    }
    CHECK(!u->host.empty());
    CHECK((u->host.front() == '[') == (u->host.back() == ']'));
    for (const auto part : {u->user, u->password, u->params, u->headers}) CHECK(part.empty() || inside(part, text));
    // What lies behind the host must be the port, the parameters and the headers, and nothing else.
    const auto behind = text.substr(static_cast<std::size_t>(u->host.data() + u->host.size() - text.data()));
    CHECK(behind.empty() || behind.front() == ':' || behind.front() == ';' || behind.front() == '?');
    CHECK((u->port != 0) == (behind.size() > 1 && behind.front() == ':' &&
                             behind.substr(1).find_first_not_of("0;?") != std::string_view::npos && behind[1] != ';' && behind[1] != '?') ||
          behind.starts_with(":0"));
    check_param(u->param("transport"), u->params);
    check_param(u->param("lr"), u->params);
    static_cast<void>(u->transport());
    static_cast<void>(u->address());
}

void check_name_addr(std::string_view text) {
    const auto n = parse_name_addr(text);
    if (!n) return;
    CHECK(inside(n->uri, text));
    CHECK(n->display.empty() || inside(n->display, text));
    CHECK(n->params.empty() || inside(n->params, text));
    if (n->angled) {
        CHECK(n->uri.data() > text.data() && n->uri.data()[-1] == '<');
        CHECK(inside({n->uri.data() + n->uri.size(), 1}, text) && n->uri.data()[n->uri.size()] == '>');
        CHECK(n->uri.find('>') == std::string_view::npos);
    } else {
        CHECK(n->display.empty() && n->uri.find(';') == std::string_view::npos);
    }
    check_param(n->param("tag"), n->params);
    check_uri(n->uri);
}

// The values come in order, do not overlap, and only commas and blanks lie between them.
void check_values(std::string_view text) {
    std::string_view rest = text, one;
    const char* behind = text.data();
    std::size_t count = 0;
    while (next_value(rest, one)) {
        CHECK(++count <= text.size() + 1);
        CHECK(inside(one, text) && one.data() >= behind);
        CHECK(one == trim(one));
        CHECK(std::string_view(behind, static_cast<std::size_t>(one.data() - behind)).find_first_not_of(" \t\r\n,") ==
              std::string_view::npos);
        behind = one.data() + one.size();
        check_name_addr(one);
    }
    CHECK(trim(std::string_view(behind, static_cast<std::size_t>(text.data() + text.size() - behind))).find_first_not_of(", \t\r\n") ==
          std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string copy{reinterpret_cast<const char*>(data), size};
    const std::string_view text{copy};
    check_uri(text);
    check_name_addr(text);
    check_values(text);
    check_param(find_param(text, "tag"), text);
    CHECK(inside(trim(text), text));
    return 0;
}
