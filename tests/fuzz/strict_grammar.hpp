// Recognisers of the header fields that the comparison with libosip2 looks at, as RFC 3261 §25.1 writes them and no wider.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sip/grammar.hpp"
#include "sip/message.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip::strict {

// Reads a value from its front. Each function takes what it names and says whether it stood there; after a false the rest means
// nothing.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_{text} {}

    // Via = via-parm *(COMMA via-parm)
    bool vias() {
        return list([this] { return via(); });
    }
    // route-param *(COMMA route-param)
    bool routes() {
        return list([this] { return name_addr() && parameters(); });
    }
    // contact-param *(COMMA contact-param). A bare URI counts when it stands alone: next_value() takes a '(' in a list of them for
    // the start of a comment.
    bool contacts() {
        Reader bare{rest_};
        if (bare.party()) return true;
        return routes();
    }
    // (name-addr / addr-spec) *(SEMI generic-param)
    bool party() {
        Reader angled{rest_};
        if (angled.name_addr() && angled.parameters() && angled.at_end()) return true;
        return uri(Where::bare) && parameters() && at_end();
    }
    // Request-URI
    bool request_uri() { return uri(Where::angled) && at_end(); }
    // callid = word ["@" word]
    bool call_id() { return word() && (!octet('@') || word()) && at_end(); }
    // 1*DIGIT LWS Method
    bool cseq() { return some(grammar::digit) && lws() && some(grammar::token) && at_end(); }
    // 1*DIGIT
    bool number() { return some(grammar::digit) && at_end(); }

private:
    // A bare URI ends at '?', ',' or ';' (RFC 3261 §20.10).
    enum class Where { angled, bare };

    bool at_end() {
        lws();
        return rest_.empty();
    }
    bool octet(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // A separator, with what blanks there are on both sides.
    bool separator(char c) {
        lws();
        if (!octet(c)) return false;
        lws();
        return true;
    }
    bool lws() {
        const auto before = rest_.size();
        while (!rest_.empty() && grammar::is_lws(rest_.front())) rest_.remove_prefix(1);
        return rest_.size() != before;
    }
    // One or more octets of some classes, or alphanumeric and of a text.
    bool some(int classes) {
        return some_that([classes](char c) { return grammar::is(c, classes); });
    }
    bool some_of(std::string_view octets) {
        return some_that(
            [octets](char c) { return grammar::is(c, grammar::alpha | grammar::digit) || octets.find(c) != std::string_view::npos; });
    }
    template <class Belongs>
    bool some_that(Belongs belongs) {
        std::size_t n = 0;
        while (n < rest_.size() && belongs(rest_[n])) ++n;
        taken_ = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return n != 0;
    }
    bool word() { return some_of("-.!%*_+`'~()<>:\\\"/[]?{}"); }

    template <class Item>
    bool list(Item item) {
        do {
            if (!item()) return false;
        } while (separator(','));
        return at_end();
    }

    bool via() {
        if (!some(grammar::token) || !iequals(taken_, "SIP") || !separator('/')) return false;
        if (!some(grammar::token) || taken_ != "2.0" || !separator('/')) return false;
        return some(grammar::token) && lws() && host() && (!separator(':') || port()) && parameters();
    }

    bool name_addr() {
        lws();
        if (rest_.starts_with('"')) {
            if (!quoted()) return false;
            lws();
        } else {
            while (some(grammar::token))
                if (!lws()) break;
        }
        return octet('<') && uri(Where::angled) && octet('>');
    }

    // Visible octets and blanks; '"' and '\' behind a backslash alone, as osip has no other pair.
    bool quoted() {
        if (!octet('"')) return false;
        for (; !rest_.empty(); rest_.remove_prefix(1)) {
            if (octet('"')) return true;
            if (rest_.front() == '\\') {
                rest_.remove_prefix(1);
                if (!rest_.starts_with('"') && !rest_.starts_with('\\')) return false;
            } else if (static_cast<unsigned char>(rest_.front()) < ' ' || rest_.front() == '\x7f') {
                return false;
            }
        }
        return false;
    }

    // *(SEMI generic-param), each name once (RFC 3261 §7.3.1).
    bool parameters() {
        std::vector<std::string> names;
        while (separator(';')) {
            if (!some(grammar::token)) return false;
            std::string name{taken_};
            for (auto& c : name) c = grammar::lower(c);
            for (const auto& other : names)
                if (other == name) return false;
            names.push_back(std::move(name));
            if (!separator('=')) continue;
            if (rest_.starts_with('"') ? !quoted() : !(rest_.starts_with('[') ? host() : some(grammar::token))) return false;
        }
        return true;
    }

    bool uri(Where where) {
        const auto whole = rest_;
        // osip knows schemes of two letters and more, without digits and signs.
        if (!some(grammar::alpha) || taken_.size() < 2) return false;
        const auto scheme = taken_;
        if (!octet(':')) return false;
        const bool is_sip = iequals(scheme, "sip") || iequals(scheme, "sips");
        if (!(is_sip ? sip_uri(where) : opaque(where))) return false;
        // Shorter ones are none for osip.
        return whole.size() - rest_.size() >= std::string_view{"sip:xx"}.size();
    }
    bool opaque(Where where) {
        // A ';' belongs to it in brackets alone.
        return some_escaped(where == Where::angled ? "-_.!~*'()/?:@&=+$,;" : "-_.!~*'()/:@&=+$");
    }
    bool sip_uri(Where where) {
        const bool angled = where == Where::angled;
        const auto at = rest_.find('@');
        const auto end = rest_.find_first_of("<> \"\r\n");
        if (at != std::string_view::npos && at < end) {
            if (!some_escaped(angled ? "-_.!~*'()&=+$,;?/" : "-_.!~*'()&=+$/")) return false;
            if (octet(':')) some_escaped(angled ? "-_.!~*'()&=+$," : "-_.!~*'()&=+$");
            if (!octet('@')) return false;
        }
        if (!host() || (octet(':') && !port())) return false;
        if (!angled) return true;
        while (octet(';'))
            if (!some_escaped("-_.!~*'()[]/:&+$") || (octet('=') && !some_escaped("-_.!~*'()[]/:&+$"))) return false;
        if (!octet('?')) return true;
        do {
            if (!some_escaped("-_.!~*'()[]/?:+$") || !octet('=')) return false;
            some_escaped("-_.!~*'()[]/?:+$");
        } while (octet('&'));
        return true;
    }
    // Letters, digits, `octets` and escapes. No escaped NUL: osip keeps C strings.
    bool some_escaped(std::string_view octets) {
        const auto before = rest_.size();
        for (;;) {
            if (some_of(octets)) continue;
            if (rest_.size() < 3 || rest_.front() != '%' || !is_hex(rest_[1]) || !is_hex(rest_[2])) break;
            if (rest_.substr(1, 2) == "00") return false;
            rest_.remove_prefix(3);
        }
        return rest_.size() != before;
    }
    static bool is_hex(char c) { return grammar::is(c, grammar::ipv6) && c != ':' && c != '.'; }

    bool host() {
        if (!octet('[')) return some_of("-.");
        return some(grammar::ipv6) && octet(']');
    }
    bool port() { return some(grammar::digit) && grammar::decimal(taken_, 65535).has_value(); }

    std::string_view rest_, taken_;
};

// Whether each line of a header field is what `read` takes.
template <class Read>
bool every(const Message& m, HeaderId id, Read read) {
    for (const auto* h = m.first(id); h != nullptr; h = m.next(h))
        if (!read(Reader{m.at(h->value)})) return false;
    return true;
}

}  // namespace sipfront::sip::strict
