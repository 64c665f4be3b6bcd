// libosip2 behind a small API, for the control plane only: it makes requests of our own, checks URIs of configuration and
// tables, and is the reference that the zero-copy parser is compared with. No osip type leaves the .cpp file.
// RFC 3261 §8.1.1 (what a request must have), §19.1 (URIs), RFC 3966 (tel). Any thread may call; everything here allocates.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace sipfront::sip {

// A request of our own. Empty optional texts leave their header field out.
struct RequestSpec {
    std::string method;        // a token, as RFC 3261 §7.1 has it
    std::string request_uri;   // without a headers part
    std::string from_uri;      // checked only: the worker writes From, with a tag of its own
    std::string to_uri;        // addr-spec, without <>
    std::string to_tag = {};   // of an in-dialog request
    std::string contact = {};  // addr-spec, without <>
    std::string user_agent = {};
    int max_forwards = 70;
    std::vector<std::pair<std::string, std::string>> headers = {};  // Accept, Allow, Route, Reason, ...
    std::string content_type = {};                                  // needed with a body
    std::string body = {};
};

// Start line, To, Max-Forwards, Contact, User-Agent, the extra header fields, Content-Type, Content-Length, blank line, body.
// What differs from one sending to the next (Via, From with its tag, Call-ID, CSeq) is missing: the worker inserts it right
// behind the start line. The text is known to be a well-formed request once that is done.
core::Result<std::string> make_request_template(const RequestSpec& spec);

// Whether `text` is a URI that a destination, route or table row may hold: sip, sips or tel. The error says what is wrong.
core::Status check_uri(std::string_view text);

// As osip decodes it: user and password unescaped, IPv6 hosts without brackets, the port as text.
struct ReferenceUri {
    std::string scheme, user, password, host, port;
    std::string opaque;  // everything after the colon of a scheme other than sip and sips

    friend bool operator==(const ReferenceUri&, const ReferenceUri&) = default;
};

struct ReferenceParty {
    ReferenceUri uri;
    std::string tag;

    friend bool operator==(const ReferenceParty&, const ReferenceParty&) = default;
};

struct ReferenceMessage {
    std::string method;  // empty for a response
    int status = 0;      // 0 for a request
    std::string version;
    ReferenceUri request_uri;
    std::string call_id;
    ReferenceParty from, to;
    std::string cseq_number, cseq_method;
    std::string via_transport, via_host, via_port, via_branch;  // of the top Via value
    std::size_t vias = 0, routes = 0, record_routes = 0;        // values, not lines
    std::optional<ReferenceUri> contact;                        // the first one; empty for "*"
    std::optional<std::string> content_length;                  // osip fills in "0" or the real length when it is missing
    std::string body;                                           // empty for multipart and without Content-Type
};

// nullopt: osip refuses the message, or it lacks one of Via, From, To, Call-ID, CSeq.
std::optional<ReferenceMessage> reference_parse(std::string_view bytes);

}  // namespace sipfront::sip
