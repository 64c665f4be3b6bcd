// A received SIP message as an index over its bytes: nothing is copied, nothing is decoded before it is asked for.
// RFC 3261 §7 (messages, header fields, compact forms, folding), §25 (grammar); RFC 5118 (IPv6 references).
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/endpoint.hpp"

namespace sipfront::sip {

enum class Method : std::uint8_t {
    invite,
    ack,
    bye,
    cancel,
    options,
    register_,
    prack,
    update,
    info,
    refer,
    subscribe,
    notify,
    message,
    publish,
    unknown,
    count_
};
// "INVITE", ...; "unknown" for Method::unknown and beyond.
std::string_view name(Method m) noexcept;
// Case-sensitive, as RFC 3261 §7.1 has it.
Method parse_method(std::string_view token) noexcept;

// Header fields that a proxy acts on or that we look at; everything else is `other` and passes untouched.
enum class HeaderId : std::uint8_t {
    via,
    from,
    to,
    call_id,
    cseq,
    max_forwards,
    contact,
    route,
    record_route,
    content_length,
    content_type,
    proxy_require,
    require,
    supported,
    unsupported,
    proxy_authorization,
    authorization,
    www_authenticate,
    proxy_authenticate,
    path,
    expires,
    min_expires,
    retry_after,
    reason,
    replaces,
    join,
    target_dialog,
    refer_to,
    referred_by,
    event,
    allow,
    allow_events,
    user_agent,
    server,
    warning,
    timestamp,
    rseq,
    rack,
    identity,
    subject,
    session_expires,
    min_se,
    content_encoding,
    request_disposition,
    accept_contact,
    reject_contact,
    date,
    other,
    count_
};
// Its place in a set of header fields.
constexpr std::uint64_t bit(HeaderId id) noexcept { return std::uint64_t{1} << static_cast<unsigned>(id); }
// Long and compact names, any case (RFC 3261 §7.3.3 and the IANA registry).
HeaderId parse_header_name(std::string_view token) noexcept;

// Of a datagram over IPv4 (RFC 768, RFC 791); over streams no more is taken either.
inline constexpr std::size_t longest_message = 65'507;

// Octets [off, off + len) of the message.
struct Slice {
    std::uint16_t off = 0;
    std::uint16_t len = 0;

    [[nodiscard]] constexpr std::uint32_t end() const noexcept { return std::uint32_t{off} + len; }
    constexpr explicit operator bool() const noexcept { return len != 0; }
    friend constexpr bool operator==(Slice, Slice) = default;
};

struct alignas(16) Header {
    Slice line;   // from the name's first octet through the line end (folds included)
    Slice value;  // without surrounding white space; may contain folds
    std::uint16_t name_length = 0;
    HeaderId id = HeaderId::other;

    // As written.
    [[nodiscard]] constexpr Slice name() const noexcept { return {line.off, name_length}; }
};

// The top-most Via value (RFC 3261 §20.42, RFC 3581). Absent parts have len 0.
struct TopVia {
    Slice value;      // this one value, without the comma or line end
    Slice transport;  // "UDP"
    Slice host;       // sent-by host; IPv6 keeps its brackets
    Slice port_text;
    Slice branch;
    Slice received;
    Slice maddr;
    Slice rport;             // the whole parameter, "rport" or "rport=5060"
    std::uint16_t port = 0;  // 0: absent
    bool has_rport = false;
    bool rport_has_value = false;
};

// From and To: what matters is the URI and the tag.
struct Party {
    Slice uri;  // addr-spec, without <>
    Slice tag;
};

struct CSeqValue {
    std::uint32_t number = 0;
    Method method = Method::unknown;
    Slice method_name;
};

// Why a message is not well-formed. The name is the label of the drop or 400 counter.
enum class ParseError : std::uint8_t {
    none,
    empty,            // nothing, or only CR, LF and NUL: a keep-alive
    not_sip,          // no SIP start line to be found
    bad_start_line,   // "INVITE  sip:a", white space in the Request-URI, "<sip:a>", ...
    bad_version,      // SIP/7.0: 505 for a request
    bad_status_code,  // outside 100..699
    bad_header_line,  // no colon, or a bad name
    too_many_headers,
    no_end_of_headers,  // the blank line is missing
    missing_via,
    missing_from,
    missing_to,
    missing_call_id,
    missing_cseq,
    duplicate_header,  // two differing From, To, Call-ID, CSeq, Max-Forwards or Content-Length
    bad_via,
    bad_from,
    bad_to,
    bad_call_id,
    bad_cseq,
    cseq_method_mismatch,
    bad_max_forwards,
    bad_content_length,  // negative, not a number, or beyond the datagram
    bad_request_uri,
    too_long,  // beyond 65,507 octets
    count_
};
std::string_view name(ParseError e) noexcept;

namespace detail {
// What a message is before anything is found in it, cleared at once for the next one.
struct Found {
    static constexpr std::uint16_t none_ = 0xffff;

    bool is_request_ = false;
    Method method_ = Method::unknown;
    std::uint8_t header_count_ = 0;
    int status_ = 0;
    Slice method_name_, request_uri_, reason_, call_id_;
    TopVia via_;
    Party from_, to_;
    CSeqValue cseq_;
    int max_forwards_ = -1;
    std::uint16_t headers_begin_ = 0, headers_end_ = 0, body_off_ = 0;
    long content_length_ = -1;
    std::uint64_t present_ = 0;
    std::uint64_t repeated_ = 0;  // bit i: there are several header fields with HeaderId i
    static_assert(static_cast<unsigned>(HeaderId::count_) <= 64);
    // The first header field with each HeaderId: where it lies in headers_, in octets.
    std::array<std::uint16_t, static_cast<std::size_t>(HeaderId::count_)> first_ = [] {
        std::array<std::uint16_t, static_cast<std::size_t>(HeaderId::count_)> all{};
        all.fill(none_);
        return all;
    }();
};
}  // namespace detail

// Borrows the bytes it was parsed from; never stored, dies with the burst. Reused message after message.
class Message : private detail::Found {
public:
    static constexpr std::size_t max_headers = 128;

    Message() = default;
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    // Indexes one whole message. Leading CRLFs are skipped, octets beyond Content-Length cut off (§18.3); no Content-Length
    // means a body to the end. On an error whatever was found up to there stays readable, so that a 400 can be built:
    // the scan goes on over the rest of the headers and the FIRST error is returned.
    ParseError parse(std::string_view bytes) noexcept;
    ParseError parse(std::string&&) = delete;

    [[nodiscard]] bool is_request() const noexcept { return is_request_; }
    [[nodiscard]] Method method() const noexcept { return method_; }  // request line's, or for a response the CSeq's
    [[nodiscard]] std::string_view method_name() const noexcept { return at(method_name_); }
    [[nodiscard]] Slice request_uri_slice() const noexcept { return request_uri_; }
    [[nodiscard]] std::string_view request_uri() const noexcept { return at(request_uri_); }
    [[nodiscard]] int status() const noexcept { return status_; }  // 0 for a request
    [[nodiscard]] std::string_view reason_phrase() const noexcept { return at(reason_); }

    [[nodiscard]] const TopVia& top_via() const noexcept { return via_; }
    [[nodiscard]] const Party& from() const noexcept { return from_; }
    [[nodiscard]] const Party& to() const noexcept { return to_; }
    [[nodiscard]] std::string_view from_tag() const noexcept { return at(from_.tag); }
    [[nodiscard]] std::string_view to_tag() const noexcept { return at(to_.tag); }
    [[nodiscard]] std::string_view call_id() const noexcept { return at(call_id_); }
    [[nodiscard]] const CSeqValue& cseq() const noexcept { return cseq_; }
    [[nodiscard]] int max_forwards() const noexcept { return max_forwards_; }       // -1: absent
    [[nodiscard]] long content_length() const noexcept { return content_length_; }  // -1: absent

    [[nodiscard]] std::span<const Header> headers() const noexcept { return {headers_.data(), header_count_}; }
    // The first one with that id, or nullptr: O(1). `other` is not indexed.
    [[nodiscard]] const Header* first(HeaderId id) const noexcept {
        const auto place = first_[static_cast<std::size_t>(id)];
        return place == none_ ? nullptr : header_at(place);
    }
    // The next one with the same id, or nullptr.
    [[nodiscard]] const Header* next(const Header* h) const noexcept {
        if ((repeated_ >> static_cast<unsigned>(h->id) & 1) == 0) return nullptr;
        for (const auto* n = h + 1; n != headers_.data() + header_count_; ++n)
            if (n->id == h->id) return n;
        return nullptr;
    }
    // Bit i: there is a header field with HeaderId i; `other` included.
    [[nodiscard]] std::uint64_t present() const noexcept { return present_; }
    // By name, any case, long form; for header fields without an id (trust headers).
    [[nodiscard]] const Header* find(std::string_view long_name, const Header* after = nullptr) const noexcept;

    [[nodiscard]] std::string_view body() const noexcept { return wire_.substr(body_off_); }
    // Offset of the empty line that ends the headers: new header lines are inserted here.
    [[nodiscard]] std::uint16_t headers_end() const noexcept { return headers_end_; }
    // Offset just behind the start line.
    [[nodiscard]] std::uint16_t headers_begin() const noexcept { return headers_begin_; }
    // The message proper: without leading CRLFs and without octets past its body.
    [[nodiscard]] std::string_view wire() const noexcept { return wire_; }
    [[nodiscard]] std::string_view at(Slice s) const noexcept {
        assert(s.end() <= wire_.size());
        return {wire_.data() + s.off, s.len};
    }
    // Slice of a view into wire().
    [[nodiscard]] Slice slice(std::string_view part) const noexcept {
        return {static_cast<std::uint16_t>(part.data() - wire_.data()), static_cast<std::uint16_t>(part.size())};
    }

private:
    friend class Parser;

    [[nodiscard]] const Header* header_at(std::size_t place) const noexcept {
        return reinterpret_cast<const Header*>(reinterpret_cast<const char*>(headers_.data()) + place);
    }

    std::string_view wire_;
    std::array<Header, max_headers> headers_;
};

// The Call-ID's value without indexing anything else, for steering on the receiving core; empty when there is none.
// Agrees with Message::parse on every message that parse accepts.
std::string_view find_call_id(std::string_view bytes) noexcept;

}  // namespace sipfront::sip
