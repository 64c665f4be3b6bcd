#include "sip/osip_codec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdarg>
#include <memory>

#include <osipparser2/osip_parser.h>

#include "core/endpoint.hpp"
#include "sip/message.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

struct Free {
    void operator()(osip_message_t* m) const noexcept { osip_message_free(m); }
    void operator()(osip_uri_t* u) const noexcept { osip_uri_free(u); }
    void operator()(char* text) const noexcept { osip_free(text); }
};
using OsipMessage = std::unique_ptr<osip_message_t, Free>;
using OsipUri = std::unique_ptr<osip_uri_t, Free>;
using OsipText = std::unique_ptr<char, Free>;

void say_nothing(const char*, int, osip_trace_level_t, const char*, va_list) {}

// parser_init() fills global tables and is not made for threads. Untold, osip prints what it dislikes to stdout.
void initialise_once() {
    static const int initialised = [] {
        osip_trace_initialize_func(OSIP_FATAL, &say_nothing);
        return parser_init();
    }();
    static_cast<void>(initialised);
}

core::Error refused(std::string what) { return core::Error{std::move(what)}; }
std::string quoted(std::string_view text) { return "'" + std::string{text} + "'"; }

std::string text_of(const char* s) { return s == nullptr ? std::string{} : std::string{s}; }

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alpha(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// RFC 3261 §25.1.
bool is_token(std::string_view s) noexcept {
    return !s.empty() && std::ranges::all_of(s, [](char c) {
        return is_alpha(c) || is_digit(c) || std::string_view{"-.!%*_+`'~"}.find(c) != std::string_view::npos;
    });
}

OsipUri parse_with_osip(const std::string& text) {
    initialise_once();
    osip_uri_t* raw = nullptr;
    if (osip_uri_init(&raw) != OSIP_SUCCESS) return nullptr;
    OsipUri uri{raw};
    if (osip_uri_parse(uri.get(), text.c_str()) != OSIP_SUCCESS) return nullptr;
    return uri;
}

core::Status check_characters(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c <= ' ' || c > '~') return refused("white space, a control character or an octet outside ASCII");
        if (std::string_view{"<>\"\\^`{|}"}.find(c) != std::string_view::npos)
            return refused(std::string{"the character "} + c + " must be escaped");
        if (c == '%' && (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])))
            return refused("% without two hexadecimal digits");
    }
    return core::Done{};
}

core::Status check_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0 || port > 65535)
        return refused("port " + quoted(text) + " is not a number from 1 to 65535");
    return core::Done{};
}

core::Status check_host(std::string_view host) {
    if (host.empty()) return refused("no host");
    if (host.find(':') != std::string_view::npos) {
        const auto address = core::IpAddress::parse(host);
        if (!address || !address->is_v6()) return refused(quoted(host) + " is not an IPv6 address");
        return core::Done{};
    }
    if (std::ranges::all_of(host, [](char c) { return is_digit(c) || c == '.'; })) {
        if (!core::IpAddress::parse(host)) return refused(quoted(host) + " is not an IPv4 address");
        return core::Done{};
    }
    char previous = '.';
    for (const char c : host) {
        const bool edge = previous == '.';
        if (!(is_alpha(c) || is_digit(c) || c == '_' || (c == '-' && !edge) || (c == '.' && !edge && previous != '-')))
            return refused(quoted(host) + " is neither a host name nor an address (IPv6 goes in brackets)");
        previous = c;
    }
    if (previous == '-') return refused("host name " + quoted(host) + " ends with a hyphen");
    return core::Done{};
}

core::Status check_sip(const std::string& text) {
    const auto uri = parse_with_osip(text);
    if (!uri) return refused("libosip2 cannot read it as a SIP URI");
    const auto host = text_of(uri->host);
    // osip takes brackets off, so that it cannot tell [::1] from a bare ::1.
    if (host.find(':') != std::string::npos && text.find('[' + host + ']') == std::string::npos)
        return refused("an IPv6 address needs brackets");
    if (auto ok = check_host(host); !ok) return ok;
    if (uri->port != nullptr)
        if (auto ok = check_port(uri->port); !ok) return ok;
    return core::Done{};
}

// RFC 3966 §3: "+" and digits, or a local number that says where it is valid.
core::Status check_tel(std::string_view subscriber) {
    const auto number = subscriber.substr(0, subscriber.find(';'));
    const bool global = number.starts_with('+');
    const auto allowed = [&](char c) {
        if (is_digit(c) || std::string_view{"-.()"}.find(c) != std::string_view::npos) return true;
        return !global && (is_hex(c) || c == '*' || c == '#');
    };
    const auto dialled = number.substr(global ? 1 : 0);
    if (!std::ranges::all_of(dialled, allowed)) return refused(quoted(number) + " is not a telephone number");
    if (std::ranges::none_of(dialled, [](char c) { return is_hex(c) || c == '*' || c == '#'; })) return refused("no digits");
    if (!global && !find_param(subscriber.substr(std::min(number.size() + 1, subscriber.size())), "phone-context"))
        return refused("a local number needs ;phone-context= (or write it as +...)");
    return core::Done{};
}

core::Status check_uri_unnamed(std::string_view text) {
    if (text.empty()) return refused("empty");
    if (auto ok = check_characters(text); !ok) return ok;
    const auto colon = text.find(':');
    const auto scheme = text.substr(0, colon);
    if (colon == std::string_view::npos) return refused("no scheme (sip:, sips: or tel:)");
    if (iequals(scheme, "tel")) return check_tel(text.substr(colon + 1));
    if (iequals(scheme, "sip") || iequals(scheme, "sips")) return check_sip(std::string{text});
    return refused("scheme " + quoted(scheme) + " is none of sip, sips, tel");
}

// Header fields that the template or the worker writes itself.
bool is_reserved(HeaderId id) noexcept {
    switch (id) {
        case HeaderId::via:
        case HeaderId::from:
        case HeaderId::to:
        case HeaderId::call_id:
        case HeaderId::cseq:
        case HeaderId::max_forwards:
        case HeaderId::contact:
        case HeaderId::user_agent:
        case HeaderId::content_type:
        case HeaderId::content_length:
            return true;
        default:
            return false;
    }
}

bool is_one_line(std::string_view s) noexcept {
    return std::ranges::none_of(s, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

core::Status check_texts(const RequestSpec& s) {
    if (!is_token(s.method)) return refused("method " + quoted(s.method) + " is not a token");
    if (!s.to_tag.empty() && !is_token(s.to_tag)) return refused("To tag " + quoted(s.to_tag) + " is not a token");
    if (s.max_forwards < 0 || s.max_forwards > 255) return refused("Max-Forwards " + std::to_string(s.max_forwards) + " is outside 0..255");
    if (!is_one_line(s.user_agent) || !is_one_line(s.content_type)) return refused("User-Agent or Content-Type contains a line end");
    if (!s.body.empty() && s.content_type.empty()) return refused("a body needs a Content-Type");
    for (const auto& [header, value] : s.headers) {
        if (!is_token(header)) return refused("header name " + quoted(header) + " is not a token");
        if (is_reserved(parse_header_name(header))) return refused("header " + header + " has a field of its own");
        if (!is_one_line(value)) return refused("header " + header + " contains a line end");
    }
    return core::Done{};
}

core::Status check_uris(const RequestSpec& s) {
    struct Named {
        std::string_view field, uri;
        bool required;
    };
    const std::array uris{Named{"Request-URI", s.request_uri, true}, Named{"From", s.from_uri, true}, Named{"To", s.to_uri, true},
                          Named{"Contact", s.contact, false}};
    for (const auto& [field, uri, required] : uris) {
        if (uri.empty() && !required) continue;
        if (auto ok = check_uri(uri); !ok) return refused(std::string{field} + ": " + ok.error().what);
    }
    // RFC 3261 §19.1.1, table 1: no headers part in a Request-URI.
    if (s.request_uri.find('?') != std::string::npos) return refused("Request-URI: a headers part (?...) is not allowed");
    return core::Done{};
}

std::string headers_and_body(const RequestSpec& s) {
    std::string out;
    const auto line = [&](std::string_view header, std::string_view value) {
        out.append(header).append(": ").append(value).append("\r\n");
    };
    line("To", "<" + s.to_uri + ">" + (s.to_tag.empty() ? "" : ";tag=" + s.to_tag));
    line("Max-Forwards", std::to_string(s.max_forwards));
    if (!s.contact.empty()) line("Contact", "<" + s.contact + ">");
    if (!s.user_agent.empty()) line("User-Agent", s.user_agent);
    for (const auto& [header, value] : s.headers) line(header, value);
    if (!s.content_type.empty()) line("Content-Type", s.content_type);
    line("Content-Length", std::to_string(s.body.size()));
    return out + "\r\n" + s.body;
}

// What the worker will add, so that osip can judge the whole.
std::string completed(const RequestSpec& s, const std::string& start_line, const std::string& rest) {
    return start_line + "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0\r\nFrom: <" + s.from_uri +
           ">;tag=0\r\nCall-ID: 0@192.0.2.1\r\nCSeq: 1 " + s.method + "\r\n" + rest;
}

bool says_what_was_asked(const ReferenceMessage& m, const RequestSpec& s) {
    return m.method == s.method && m.cseq_method == s.method && m.vias == 1 && m.call_id == "0@192.0.2.1" && m.from.tag == "0" &&
           m.to.tag == s.to_tag && m.contact.has_value() == !s.contact.empty() && m.content_length == std::to_string(s.body.size());
}

ReferenceUri uri_of(const osip_uri_t* u) {
    if (u == nullptr) return {};
    return {text_of(u->scheme), text_of(u->username), text_of(u->password), text_of(u->host), text_of(u->port), text_of(u->string)};
}

ReferenceParty party_of(osip_from_t* party) {
    ReferenceParty out{uri_of(party->url), {}};
    osip_generic_param_t* tag = nullptr;
    osip_from_param_get_byname(party, const_cast<char*>("tag"), &tag);
    if (tag != nullptr) out.tag = text_of(tag->gvalue);
    return out;
}

void fill_via(const osip_message_t& m, ReferenceMessage& out) {
    auto* via = static_cast<osip_via_t*>(osip_list_get(&m.vias, 0));
    out.via_transport = text_of(via->protocol);
    out.via_host = text_of(via->host);
    out.via_port = text_of(via->port);
    osip_generic_param_t* branch = nullptr;
    osip_via_param_get_byname(via, const_cast<char*>("branch"), &branch);
    if (branch != nullptr) out.via_branch = text_of(branch->gvalue);
}

std::size_t count(const osip_list_t& list) { return static_cast<std::size_t>(std::max(osip_list_size(&list), 0)); }

}  // namespace

core::Status check_uri(std::string_view text) {
    auto ok = check_uri_unnamed(text);
    if (!ok) return refused("URI " + quoted(text) + ": " + ok.error().what);
    return ok;
}

core::Result<std::string> make_request_template(const RequestSpec& spec) {
    if (auto ok = check_texts(spec); !ok) return ok.error();
    if (auto ok = check_uris(spec); !ok) return ok.error();
    const auto start_line = spec.method + " " + spec.request_uri + " SIP/2.0\r\n";
    const auto rest = headers_and_body(spec);
    const auto checked = reference_parse(completed(spec, start_line, rest));
    if (!checked) return refused("libosip2 cannot read the " + spec.method + " request back");
    if (!says_what_was_asked(*checked, spec)) return refused("the " + spec.method + " request reads back as something else");
    return start_line + rest;
}

std::optional<ReferenceMessage> reference_parse(std::string_view bytes) {
    initialise_once();
    osip_message_t* raw = nullptr;
    if (osip_message_init(&raw) != OSIP_SUCCESS) return std::nullopt;
    const OsipMessage m{raw};
    if (osip_message_parse(m.get(), bytes.data(), bytes.size()) != OSIP_SUCCESS) return std::nullopt;
    if (osip_list_size(&m->vias) < 1 || m->from == nullptr || m->to == nullptr || m->call_id == nullptr || m->cseq == nullptr)
        return std::nullopt;

    ReferenceMessage out;
    out.method = text_of(m->sip_method);
    out.status = m->status_code;
    out.version = text_of(m->sip_version);
    out.request_uri = uri_of(m->req_uri);
    char* call_id = nullptr;
    if (osip_call_id_to_str(m->call_id, &call_id) == OSIP_SUCCESS) out.call_id = OsipText{call_id}.get();
    out.from = party_of(m->from);
    out.to = party_of(m->to);
    out.cseq_number = text_of(m->cseq->number);
    out.cseq_method = text_of(m->cseq->method);
    fill_via(*m, out);
    out.vias = count(m->vias);
    out.routes = count(m->routes);
    out.record_routes = count(m->record_routes);
    if (const auto* contact = static_cast<osip_contact_t*>(osip_list_get(&m->contacts, 0)); contact != nullptr && contact->url != nullptr)
        out.contact = uri_of(contact->url);
    if (m->content_length != nullptr) out.content_length = text_of(m->content_length->value);
    const auto* type = m->content_type != nullptr ? m->content_type->type : nullptr;
    const bool whole = type != nullptr && !iequals(type, "multipart");  // osip cuts a multipart body into its parts
    if (const auto* body = static_cast<osip_body_t*>(osip_list_get(&m->bodies, 0)); whole && body != nullptr)
        out.body.assign(body->body, body->length);
    return out;
}

}  // namespace sipfront::sip
