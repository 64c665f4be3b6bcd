// Makes well-formed SIP messages for tests and fuzz targets.
#pragma once

#include <cctype>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sipfront::fuzz {

// Well-formed messages in every shape that RFC 3261 §25 allows and osip understands; what it does not understand is in
// osip_agreement.hpp and kept out here.
// `Choices::below(n)` decides: a random engine in tests, the fuzzer's octets in fuzz targets.
template <class Choices>
class MessageGenerator {
public:
    explicit MessageGenerator(Choices& choices) : choices_{choices} {}

    std::string message() {
        const bool request = chance(70);
        const auto method = this->method();
        lines_.clear();
        for (std::size_t i = 0, n = 1 + below(4); i < n; ++i) line({"Via", "v"}, list([this] { return via(); }, 3));
        line({"From", "f"}, party(true));
        line({"To", "t"}, party(chance(50)));
        line({"Call-ID", "i"}, word() + (chance(60) ? "@" + word() : ""));
        line({"CSeq"}, zeros() + std::to_string(below(0x7fffffff)) + lws1() + method);
        if (request || chance(20)) line({"Max-Forwards"}, zeros() + std::to_string(below(256)));
        // No list of bare URIs: next_value() takes a '(' in one for the start of a comment.
        if (chance(60)) line({"Contact", "m"}, chance(70) ? list([this] { return name_addr(); }, 2) : bare_uri());
        for (std::size_t i = 0, n = below(3); i < n; ++i) line({"Route"}, list([this] { return name_addr(); }, 3));
        for (std::size_t i = 0, n = below(3); i < n; ++i) line({"Record-Route"}, list([this] { return name_addr(); }, 3));
        for (std::size_t i = 0, n = below(5); i < n; ++i) other_line();
        const auto body = this->body();
        shuffle();
        std::string out = chance(10) ? "\r\n\r\n" : "";
        out +=
            request ? method + " " + uri(true) + " SIP/2.0\r\n" : "SIP/2.0 " + std::to_string(100 + below(600)) + " " + reason() + "\r\n";
        for (const auto& l : lines_) out += l + "\r\n";
        return out + "\r\n" + body;
    }

private:
    std::size_t below(std::size_t n) { return choices_.below(n); }
    bool chance(unsigned percent) { return below(100) < percent; }
    std::string any(std::initializer_list<const char*> of) { return *(of.begin() + static_cast<std::ptrdiff_t>(below(of.size()))); }
    std::string text(std::string_view alphabet, std::size_t least, std::size_t most) {
        std::string s(least + below(most - least + 1), ' ');
        for (auto& c : s) c = alphabet[below(alphabet.size())];
        return s;
    }
    std::string zeros() { return chance(15) ? "000" : ""; }

    static constexpr std::string_view alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    std::string token() { return text("abcXYZ019-.!%*_+`'~", 1, 12); }
    std::string word() { return text("abcXYZ019-.!%*_+`'~()<>:\\\"/[]?{}", 1, 24); }
    std::string lws() { return any({"", "", "", " ", "  ", "\r\n ", " \r\n\t", "\r\n  \t"}); }
    std::string lws1() { return any({" ", " ", "   ", "\r\n ", " \r\n\t "}); }

    std::string method() {
        return chance(85) ? any({"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO", "REFER", "SUBSCRIBE",
                                 "NOTIFY", "MESSAGE", "PUBLISH"})
                          : token();
    }
    std::string reason() { return chance(20) ? "" : text("abc XYZ,;:<>\"\xc3\xa9!", 1, 20); }

    std::string quoted() {
        std::string s = "\"";
        for (std::size_t i = 0, n = below(10); i < n; ++i)
            s += any({"a", "Z", " ", ",", ";", "<", ">", ":", "@", "\\\"", "\\\\", "\xc3\xa9", "=tag", "'"});
        return s + "\"";
    }
    std::string host() {
        switch (below(4)) {
            case 0:
                return "192.0.2." + std::to_string(below(256));
            case 1:
                return any({"[2001:db8::1]", "[::1]", "[2001:DB8:0:0:8:800:200C:417A]", "[::ffff:192.0.2.1]"});
            default:
                return text(alnum, 2, 8) + ".example" + any({".net", ".org", ".org.", ""});
        }
    }
    std::string port() { return chance(40) ? ":" + std::to_string(1 + below(65535)) : ""; }
    std::string escape() { return any({"%41", "%20", "%40", "%3a", "%3B", "%25", "%c3%A9"}); }
    std::string userinfo(bool angled) {
        std::string s;
        const std::string_view plain = angled ? "abcXYZ019-_.!~*'()&=+$,;?/" : "abcXYZ019-_.!~*'()&=+$/";
        for (std::size_t i = 0, n = 1 + below(10); i < n; ++i) s += chance(10) ? escape() : text(plain, 1, 1);
        if (chance(15)) s += ":" + text(angled ? "abcXYZ019-_.!~*'()&=+$," : "abcXYZ019-_.!~*'()&=+$", 1, 6) + (chance(30) ? escape() : "");
        return s + "@";
    }
    std::string uri_params() {
        std::string s;
        for (std::size_t i = 0, n = below(4); i < n; ++i) {
            s +=
                ";" + any({"lr", "transport=tcp", "LR", "maddr=192.0.2.9", "ttl=5", "user=phone", "method=INVITE", "ob", "x-%41=%42/:&+$"});
        }
        return s;
    }
    // In angle brackets (or as a Request-URI) a URI may have parameters of its own.
    std::string uri(bool angled) {
        if (chance(8)) return "tel:+" + text("0123456789-.()", 3, 12) + "0" + (angled && chance(40) ? ";ext=12" : "");
        return any({"sip:", "sip:", "sip:", "sips:", "SIP:", "sIpS:"}) + (chance(80) ? userinfo(angled) : "") + host() + port() +
               (angled ? uri_params() : "");
    }
    std::string bare_uri() { return uri(false); }
    std::string display() {
        if (chance(40)) return "";
        if (chance(60)) return quoted() + lws();
        std::string s;
        for (std::size_t i = 0, n = 1 + below(3); i < n; ++i) s += token() + lws1();
        return s;
    }
    std::string param(const std::string& name, const std::string& value) {
        return lws() + ";" + lws() + name + lws() + "=" + lws() + value;
    }
    std::string other_param() {
        if (chance(30)) return lws() + ";" + lws() + "p" + token();
        return param("p" + token(), chance(50) ? token() : quoted());
    }
    std::string name_addr() {
        std::string s = display() + "<" + uri(true) + ">";
        if (chance(20)) s += other_param();
        return s;
    }
    std::string party(bool tagged) {
        const bool angled = chance(70);
        if (!angled && !tagged && chance(50)) return bare_uri();
        // osip takes blanks behind a bare URI for a part of its port.
        std::string s = angled ? display() + "<" + uri(true) + ">" : bare_uri() + ";p" + token();
        if (chance(20)) s += other_param();
        if (tagged) s += param(any({"tag", "tag", "TAG", "Tag"}), token());
        if (chance(20)) s += other_param();
        return s;
    }
    std::string via() {
        std::string s =
            any({"SIP/2.0/", "SIP/2.0/", "SIP / 2.0 / ", "SIP/\r\n 2.0/", "sip/2.0/"}) + any({"UDP", "TCP", "TLS", "SCTP", "udp", "WSS"});
        s += lws1() + host();
        if (const auto p = port(); !p.empty()) s += (chance(15) ? " : " : ":") + p.substr(1);
        if (chance(20)) s += other_param();
        if (chance(90)) s += param(any({"branch", "branch", "BRANCH"}), "z9hG4bK" + token());
        if (chance(40)) s += lws() + ";rport" + (chance(30) ? "=" + std::to_string(below(65536)) : "");
        if (chance(20)) s += param("received", "192.0.2.5");
        return s;
    }
    std::string list(const std::function<std::string()>& one, std::size_t most) {
        std::string s = one();
        for (std::size_t i = 0, n = below(most); i < n; ++i) s += lws() + "," + lws() + one();
        return s;
    }

    void line(std::initializer_list<const char*> names, const std::string& value) {
        auto name = any(names);
        for (auto& c : name)
            if (chance(25)) c = static_cast<char>(std::isupper(c) != 0 ? std::tolower(c) : std::toupper(c));
        lines_.push_back(name + any({"", "", " ", "  "}) + ":" + any({" ", " ", "", "   ", "\r\n ", " \r\n\t"}) + value +
                         any({"", "", " ", "  "}));
    }
    void other_line() {
        switch (below(6)) {
            case 0:
                return line({"Subject", "s"}, chance(30) ? "" : text("abc ,;:\"<>\xc3\xa9", 1, 30) + "x");
            case 1:
                return line({"Supported", "k"}, "100rel, path");
            case 2:
                return line({"Allow"}, "INVITE, ACK,BYE");
            case 3:
                return line({"Authorization"}, "Digest username=\"a, b\", realm=\"c;d\", nonce=\"\\\"\", uri=\"sip:x\", response=\"0\"");
            case 4:
                return line({"Date"}, "Sat, 13 Nov 2010 23:29:00 GMT");
            default:
                return line({"X-Vialike", "X-From", "viaa", "ro", "q"}, text("abc ,;:\"<>[]@=\\", 1, 40) + "x");
        }
    }
    std::string body() {
        if (chance(40)) {
            if (chance(80)) line({"Content-Length", "l"}, zeros() + "0");
            return "";
        }
        std::string b = chance(50) ? "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n\r\nVia: no header\r\n" : text({"ab\0\r\n\xff:;", 8}, 1, 200);
        line({"Content-Type", "c"}, any({"application/sdp", "text/plain", "message/sipfrag;version=2.0"}));
        if (chance(80)) line({"Content-Length", "l"}, zeros() + std::to_string(b.size()));
        return b;
    }
    void shuffle() {
        for (std::size_t i = lines_.size(); i > 1; --i) std::swap(lines_[i - 1], lines_[below(i)]);
    }

    Choices& choices_;
    std::vector<std::string> lines_;
};

}  // namespace sipfront::fuzz
