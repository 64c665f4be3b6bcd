#include "bench/traffic/messages.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sipfront::traffic {
namespace {

constexpr std::string_view mark = Template::number_mark;

std::string host_port(const core::Endpoint& e) { return e.to_string(); }

std::string host_only(const core::Endpoint& e) { return e.address.is_v6() ? "[" + e.address.to_string() + "]" : e.address.to_string(); }

std::string offer(const core::Endpoint& at, std::size_t bytes) {
    const auto address = fmt::format("{} {}", at.address.is_v6() ? "IP6" : "IP4", at.address.to_string());
    auto sdp = fmt::format(
        "v=0\r\no=sipgen 53655765 2353687637 IN {0}\r\ns=-\r\nc=IN {0}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
        address);
    constexpr std::size_t attribute = 6;  // "a=" VALUE CRLF
    if (bytes >= sdp.size() + attribute) sdp += "a=" + std::string(bytes - sdp.size() - 4, 'x') + "\r\n";
    return sdp;
}

// `text` and enough of `filler` behind it.
std::string filled(std::string text, std::size_t bytes, char filler = 'x') {
    if (text.size() < bytes) text.append(bytes - text.size(), filler);
    return text;
}

// An addr-spec of at least so many octets: a URI parameter fills it up.
std::string addr_spec(std::string_view user, const std::string& at, std::size_t bytes) {
    auto text = fmt::format("sip:{}@{}", user, at);
    constexpr std::string_view parameter = ";ob=";
    return bytes > text.size() + parameter.size() ? filled(text.append(parameter), bytes) : text;
}

// An Identity header field of `bytes` octets (RFC 8224, 8225): base64url of header, claims and signature.
std::string identity(std::size_t bytes) {
    constexpr std::string_view name = "Identity: ", tail = ";info=<https://cert.example.org/passport.cer>;alg=ES256;ppt=shaken\r\n";
    constexpr std::string_view header =
        "eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.";
    constexpr std::string_view digits = "eyJhdHRlc3QiOiJBIiwiZGVzdCI6eyJ0biI6WyI0NDE2MzI5NjAwODMiXX0sImlhdCI6MTc2MzgwMDAwMCwib3JpZyI6";
    constexpr std::size_t signature = 86;
    auto text = std::string{name}.append(header);
    const auto end = bytes - tail.size();
    while (text.size() < end) text += text.size() + signature + 1 == end ? '.' : digits[text.size() % digits.size()];
    return text.append(tail);
}

// Header fields that fill an INVITE up, as trunks send them: a long one carries an Identity, and the usual others as far as they fit.
std::string filling(std::size_t bytes) {
    constexpr std::size_t least_identity = 450, most_identity = 900;
    constexpr std::string_view usual[] = {
        "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY\r\n",
        "Supported: timer, 100rel, replaces, norefersub\r\n",
        "Session-Expires: 1800\r\nMin-SE: 90\r\n",
        "P-Asserted-Identity: \"Reception\" <sip:+441632960011@pbx.example.net;user=phone>\r\n",
        "Date: Fri, 21 Nov 2025 10:42:17 GMT\r\n",
        "P-Charging-Vector: icid-value=3f9a0c52-77be-4d60-9c0e-5d1d2b61f0a4;orig-ioi=pbx.example.net\r\n",
        "History-Info: <sip:+441632960082@pbx.example.net;user=phone>;index=1\r\n",
        "History-Info: <sip:+441632960083@pbx.example.net;user=phone?Reason=SIP%3Bcause%3D302>;index=1.1\r\n",
    };
    std::string text;
    if (bytes >= least_identity) {
        for (const auto line : usual)
            if (bytes - text.size() >= line.size() + least_identity) text += line;
        // A diverted call carries the PASSporT of each hop.
        while (bytes - text.size() > most_identity + least_identity) text += identity(most_identity);
        return text += identity(bytes - text.size());
    }
    constexpr std::size_t subject = 11;  // "Subject: " and CRLF
    return bytes <= subject ? "" : "Subject: " + std::string(bytes - subject, 's') + "\r\n";
}

std::string invite_rest(const Config& config, std::size_t client, std::string_view head, std::string_view padding, std::size_t body) {
    return fmt::format(
        "{}Contact: <{}>\r\nUser-Agent: sipgen\r\n{}"
        "Content-Type: application/sdp\r\nContent-Length: {}\r\n",
        head, addr_spec("caller", host_port(config.clients[client]), config.contact_bytes), padding, body);
}

}  // namespace

std::string_view Messages::status_line(Response r) noexcept {
    switch (r) {
        case Response::ringing:
            return "SIP/2.0 180 Ringing\r\n";
        case Response::challenge:
            return "SIP/2.0 401 Unauthorized\r\n";
        default:
            return "SIP/2.0 200 OK\r\n";
    }
}

std::string Messages::head(std::string_view client, std::string_view cseq, std::string_view to) const {
    const auto call_id = filled(fmt::format("{}-{}@{}", mark, run_, client), call_id_bytes_);
    return fmt::format("From: \"sipgen\" <sip:caller@{}>;tag={}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n", client,
                       filled(std::string{mark}, tag_bytes_), to, call_id, cseq);
}

Messages::Messages(const Config& config)
    : clients_{config.clients.size()},
      hosts_{config.hosts.size()},
      run_{fmt::format("{:08x}", config.run)},
      target_{host_port(config.target)},
      body_{offer(config.clients[0], config.body_bytes)},
      answer_{offer(config.hosts[0], 0)},
      call_id_bytes_{config.call_id_bytes},
      tag_bytes_{config.tag_bytes} {
    const auto slots = static_cast<std::size_t>(Request::count_) * clients_ * hosts_;
    for (auto* all : {&lines_, &vias_, &rests_, &wholes_, &echoes_, &parties_, &ids_}) all->resize(slots);
    refusal_ack_heads_.resize(clients_);
    refusal_ack_tails_.resize(clients_);
    tails_.resize(static_cast<std::size_t>(Response::count_) * clients_ * hosts_);
    for (std::size_t c = 0; c < clients_; ++c) {
        make_client(config, c);
        for (std::size_t h = 0; h < hosts_; ++h) make_pair(config, c, h);
    }
}

void Messages::make_client(const Config& config, std::size_t client) {
    const auto me = host_only(config.clients[client]);
    const auto sent_by = host_port(config.clients[client]);
    for (std::size_t r = 0; r < request_letters.size(); ++r) {
        vias_[place(static_cast<Request>(r), client, 0)] =
            Template{fmt::format("Via: SIP/2.0/UDP {};branch=z9hG4bK{}{}{}\r\n", sent_by, request_letters[r], mark, run_)};
    }
    const auto callee = fmt::format("<sip:service@{}>", target_);
    const auto put = [&](Request r, const std::string& line, const std::string& head, const std::string& rest, std::string_view body) {
        const auto at = place(r, client, 0);
        lines_[at] = Template{line};
        rests_[at] = Template{rest};
        echoes_[at] = Template{head};
        const auto ids = head.find("\r\nCall-ID: ");
        parties_[at] = Template{head.substr(0, ids)};
        ids_[at] = Template{head.substr(ids + 2)};
        const auto via =
            fmt::format("Via: SIP/2.0/UDP {};branch=z9hG4bK{}{}{}\r\n", sent_by, request_letters[static_cast<std::size_t>(r)], mark, run_);
        wholes_[at] = Template{line + via + std::string{forwards_sent} + rest + "\r\n" + std::string{body}};
        longest_ = std::max(longest_, wholes_[at].size());
    };
    const auto invite_line = fmt::format("INVITE sip:service@{} SIP/2.0\r\n", target_);
    const auto invite_head = head(me, "1 INVITE", callee);
    put(Request::invite, invite_line, invite_head, invite_rest(config, client, invite_head, "", body_.size()), body_);
    const auto bare = wholes_[place(Request::invite, client, 0)].size();
    if (config.invite_bytes > bare) {
        put(Request::invite, invite_line, invite_head,
            invite_rest(config, client, invite_head, filling(config.invite_bytes - bare), body_.size()), body_);
    }

    const auto ids = invite_head.find("Call-ID: "), cseq = invite_head.find("CSeq: ");
    refusal_ack_heads_[client] =
        Template{"ACK" + invite_line.substr(6) + vias_[place(Request::invite, client, 0)].source() + std::string{forwards_sent}};
    refusal_ack_tails_[client] = Template{invite_head.substr(ids, cseq - ids) + "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"};

    const auto register_line = fmt::format("REGISTER sip:{} SIP/2.0\r\n", target_);
    const auto aor = fmt::format("<sip:u{}@{}>", mark, target_);
    const auto contact = fmt::format("Contact: <sip:u{}@{}>;expires=3600\r\n", mark, sent_by);
    const auto credentials = fmt::format(
        "Authorization: Digest username=\"u{0}\", realm=\"{1}\", nonce=\"{0}\", uri=\"sip:{1}\", "
        "response=\"{2}\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, nc=00000001\r\n",
        mark, target_, "6629fae49393a05397450978507c4ef1");
    const auto first = head(me, "1 REGISTER", aor), second = head(me, "2 REGISTER", aor);
    put(Request::registration, register_line, first, first + contact + "Content-Length: 0\r\n", "");
    put(Request::registration_auth, register_line, second, second + contact + credentials + "Content-Length: 0\r\n", "");
}

void Messages::make_pair(const Config& config, std::size_t client, std::size_t host) {
    const auto me = host_only(config.clients[client]);
    const auto sent_by = host_port(config.clients[client]);
    const auto there = host_port(config.hosts[host]);
    const auto callee = fmt::format("<sip:service@{}>;tag={}", target_, filled(fmt::format("h{:02}{}", host, mark), tag_bytes_));
    const auto callee_address = addr_spec("host", there, config.contact_bytes);
    for (const auto& [r, method, cseq] : {std::tuple{Request::ack, "ACK", "1 ACK"}, std::tuple{Request::bye, "BYE", "2 BYE"}}) {
        lines_[place(r, client, host)] = Template{fmt::format("{} {} SIP/2.0\r\n", method, callee_address)};
        rests_[place(r, client, host)] = Template{head(me, cseq, callee) + "Content-Length: 0\r\n"};
    }
    const auto put = [&](Response r, const std::string& text) {
        tails_[(static_cast<std::size_t>(r) * clients_ + client) * hosts_ + host] = Template{text};
        longest_ = std::max(longest_, text.size() + 40);
    };
    const auto contact = fmt::format("Contact: <{}>\r\n", callee_address);
    put(Response::ringing, head(me, "1 INVITE", callee) + contact + "Content-Length: 0\r\n\r\n");
    put(Response::answer, fmt::format("{}{}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{}", head(me, "1 INVITE", callee),
                                      contact, answer_.size(), answer_));
    put(Response::bye_ok, head(me, "2 BYE", callee) + "Content-Length: 0\r\n\r\n");
    const auto aor = fmt::format("<sip:u{0}@{1}>;tag=h{2:02}{0}", mark, target_, host);
    put(Response::challenge, fmt::format("{}WWW-Authenticate: Digest realm=\"{}\", nonce=\"{}\", algorithm=MD5, qop=\"auth\"\r\n"
                                         "Content-Length: 0\r\n\r\n",
                                         head(me, "1 REGISTER", aor), target_, mark));
    put(Response::registered, fmt::format("{}Contact: <sip:u{}@{}>;expires=3600\r\nContent-Length: 0\r\n\r\n",
                                          head(me, config.register_auth ? "2 REGISTER" : "1 REGISTER", aor), mark, sent_by));
}

std::size_t least_invite_bytes(const Config& config) {
    auto bare = config;
    bare.invite_bytes = 0;
    return Messages{bare}.whole(Request::invite, 0).size();
}

}  // namespace sipfront::traffic
