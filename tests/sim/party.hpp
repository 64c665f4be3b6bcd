// User agents of the tests: they write requests, answer them as a plain UAS would, and take received messages apart.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "sip/message.hpp"
#include "sip/uri.hpp"
#include "tests/sim/world.hpp"

namespace sipfront::sim {

// A received message, owned, with helpers to look into it.
class Text {
public:
    explicit Text(std::string text) : text_{std::move(text)} {}

    // All values of a header field, lists split, in order; any case, long name.
    [[nodiscard]] std::vector<std::string> values(std::string_view name) const {
        std::vector<std::string> all;
        sip::Message m;
        m.parse(text_);
        for (const auto* h = m.find(name); h != nullptr; h = m.find(name, h)) {
            auto rest = m.at(h->value);
            for (std::string_view one; sip::next_value(rest, one);) all.emplace_back(one);
        }
        return all;
    }
    [[nodiscard]] std::string value(std::string_view name) const {
        const auto all = values(name);
        return all.empty() ? std::string{} : all.front();
    }
    [[nodiscard]] std::string start_line() const { return text_.substr(0, text_.find("\r\n")); }
    [[nodiscard]] int status() const { return text_.starts_with("SIP/2.0 ") ? std::stoi(text_.substr(8, 3)) : 0; }
    [[nodiscard]] std::string method() const { return text_.substr(0, text_.find(' ')); }
    [[nodiscard]] std::string request_uri() const {
        const auto a = text_.find(' ') + 1;
        return text_.substr(a, text_.find(' ', a) - a);
    }
    [[nodiscard]] std::string body() const { return text_.substr(text_.find("\r\n\r\n") + 4); }
    [[nodiscard]] std::string tag(std::string_view header) const {
        sip::Message m;
        m.parse(text_);
        return std::string{header == "From" ? m.from_tag() : m.to_tag()};
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

struct RequestSpec {
    std::string method = "INVITE";
    std::string uri = "sip:service@10.77.0.100";
    std::string call_id = "call-1@client";
    std::string from_tag = "caller";
    std::string to_tag = {};
    std::uint32_t cseq = 1;
    std::string branch = "z9hG4bKclient-1";
    core::Endpoint via = client_a;
    std::string via_params = {};
    std::string contact = "<sip:alice@10.77.0.2:5060>";
    std::vector<std::string> headers = {};  // whole lines without CRLF
    std::string body = {};
    std::string transport = "UDP";
};

inline std::string request(const RequestSpec& s) {
    std::string t = s.method + " " + s.uri + " SIP/2.0\r\nVia: SIP/2.0/" + s.transport + " " + s.via.to_string() + ";branch=" + s.branch +
                    s.via_params + "\r\n";
    t += "Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=" + s.from_tag + "\r\n";
    t += "To: <sip:service@10.77.0.100>" + (s.to_tag.empty() ? "" : ";tag=" + s.to_tag) + "\r\n";
    t += "Call-ID: " + s.call_id + "\r\nCSeq: " + std::to_string(s.cseq) + " " + s.method + "\r\n";
    if (!s.contact.empty()) t += "Contact: " + s.contact + "\r\n";
    for (const auto& h : s.headers) t += h + "\r\n";
    t += "Content-Length: " + std::to_string(s.body.size()) + "\r\n\r\n" + s.body;
    return t;
}

// A UAS's response: Via list, From, To (+tag), Call-ID, CSeq and Record-Route copied.
inline std::string response(const std::string& request_text, int status, std::string_view reason, std::string_view to_tag = "callee",
                            const std::vector<std::string>& headers = {}, bool mirror_record_route = true) {
    sip::Message m;
    m.parse(request_text);
    std::string t = "SIP/2.0 " + std::to_string(status) + " " + std::string{reason} + "\r\n";
    for (const auto& h : m.headers()) {
        using enum sip::HeaderId;
        if (h.id == via || h.id == from || h.id == call_id || h.id == cseq || (h.id == record_route && mirror_record_route))
            t += m.at(h.line);
        if (h.id == to) {
            t += "To: " + std::string{m.at(h.value)};
            if (m.to_tag().empty() && status > 100) t += ";tag=" + std::string{to_tag};
            t += "\r\n";
        }
    }
    for (const auto& h : headers) t += h + "\r\n";
    return t + "Content-Length: 0\r\n\r\n";
}

// What went to `to`, in order.
inline std::vector<Text> sent_to(const std::vector<Sent>& all, const core::Endpoint& to) {
    std::vector<Text> found;
    for (const auto& s : all)
        if (s.flow.remote == to) found.emplace_back(s.text);
    return found;
}
// The only message whose start line begins with `start`; fails the test otherwise by throwing.
inline Sent only(const std::vector<Sent>& all, std::string_view start) {
    const Sent* found = nullptr;
    for (const auto& s : all) {
        if (!s.text.starts_with(start)) continue;
        if (found != nullptr) throw std::runtime_error("more than one \"" + std::string{start} + "\"");
        found = &s;
    }
    if (found == nullptr) throw std::runtime_error("no \"" + std::string{start} + "\" was sent");
    return *found;
}
// Of the one message that was sent; of several or none, their number below zero.
inline int status_of(const std::vector<Sent>& sent) {
    return sent.size() == 1 ? Text{sent[0].text}.status() : -static_cast<int>(sent.size());
}
inline std::size_t how_many(const std::vector<Sent>& all, std::string_view start) {
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Sent& s) { return s.text.starts_with(start); }));
}

// A call set up to the 2xx and ACK by plain endpoints; keeps what the later requests need.
struct Call {
    RequestSpec spec;
    core::Endpoint client = client_a;
    core::Endpoint host;
    Sent invite;                      // as the host received it
    std::vector<std::string> routes;  // the caller's route set (Route header lines)
    std::string ok;                   // as the client received it

    // The next request of the caller in this dialog.
    [[nodiscard]] std::string in_dialog(std::string method, std::uint32_t cseq, std::string branch,
                                        std::vector<std::string> headers = {}) const {
        auto s = spec;
        s.method = std::move(method);
        s.cseq = cseq;
        s.branch = std::move(branch);
        s.to_tag = "callee";
        s.uri = "sip:host@" + host.to_string();
        s.headers = routes;
        s.headers.insert(s.headers.end(), headers.begin(), headers.end());
        return request(s);
    }
    // A request of the callee (the host).
    [[nodiscard]] std::string from_host(std::string method, std::uint32_t cseq, std::string branch) const;
};

Call establish(World& world, RequestSpec spec = {}, const core::Endpoint& client = client_a, bool with_ack = true);
// BYE by the caller, answered 200; returns what was sent to the client.
std::vector<Sent> hang_up(World& world, const Call& call, const std::string& branch = "z9hG4bKbye");

}  // namespace sipfront::sim
