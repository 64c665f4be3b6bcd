// Messages that several parser tests share.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace sipfront::test {

// A request or response put together from lines; every part can be replaced.
struct Draft {
    std::string start = "INVITE sip:2000@10.77.0.100 SIP/2.0";
    std::string via = "Via: SIP/2.0/UDP 10.77.0.7:5060;branch=z9hG4bK-a1;rport";
    std::string from = "From: \"Ann Lee\" <sip:ann@example.net>;tag=f1";
    std::string to = "To: <sip:2000@10.77.0.100>";
    std::string call_id = "Call-ID: c1@10.77.0.7";
    std::string cseq = "CSeq: 7 INVITE";
    std::string more = "Max-Forwards: 70";
    std::string length = "Content-Length: 0";
    std::string body{};
    std::string line_end = "\r\n";

    [[nodiscard]] std::string text() const {
        std::string s;
        for (const auto* line : {&start, &via, &from, &to, &call_id, &cseq, &more, &length})
            if (!line->empty()) s += *line + line_end;
        return s + line_end + body;
    }
};

inline const std::string& invite_with_body() {
    static const std::string text = [] {
        Draft d;
        d.more =
            "Contact: <sip:ann@10.77.0.7:5060;transport=udp>\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK, CANCEL, BYE\r\n"
            "User-Agent: Phone/1.0\r\nX-Custom-Header-With-A-Rather-Long-Name-Of-More-Than-Sixty-Four-Octets-In-All: y\r\n"
            "Content-Type: application/sdp";
        d.body = "v=0\r\no=- 1 1 IN IP4 10.77.0.7\r\ns=-\r\nc=IN IP4 10.77.0.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        d.length = "Content-Length: " + std::to_string(d.body.size());
        return d.text();
    }();
    return text;
}

// Every odd but legal way to write things: folds, white space, compact names, mixed case, escapes, odd tokens, no final body.
inline const std::string odd_but_legal =
    "OPTIONS sip:desk;day=tue@example.net;lr?x=y SIP/2.0\r\n"
    "TO :\r\n sip:desk@example.net ; TAG = 98\r\n"
    "fRoM: \"J \\\\\\\"R\\\"\" <sip:jr@example.net>\r\n  ;\r\n  tag = 54\r\n"
    "max-forwards: 0068\r\n"
    "i: odd.7:8\"x@host\r\n"
    "CSEQ:  0009\r\n  OPTIONS\r\n"
    "v:  SIP  / 2.0  / UDP\r\n    192.0.2.2 : 5071 ; branch = \r\n z9hG4bKodd (why (not)), SIP/2.0/TCP [2001:db8::1]\r\n"
    "s:\r\n"
    "Unheard-Of : a, \"b\\\r,c\",\r\n\td\r\n"
    "k: timer\r\n"
    "l:\r\n 0\r\n"
    "\r\n";

inline const std::string response =
    "SIP/2.0 180 R\xc3\xa9pondre\r\n"
    "Via: SIP/2.0/UDP 10.77.0.100;branch=z9hG4bK-p;received=10.77.0.101, SIP/2.0/UDP 10.77.0.7;branch=z9hG4bK-a1\r\n"
    "Record-Route: <sip:10.77.0.100;lr>\r\n"
    "From: <sip:ann@example.net>;tag=f1\r\nTo: <sip:2000@10.77.0.100>;tag=t1\r\n"
    "Call-ID: c1@10.77.0.7\r\nCSeq: 7 INVITE\r\nContact: <sip:2000@10.77.0.103>\r\nContent-Length: 0\r\n\r\n";

inline std::array<std::string_view, 3> sample_messages() { return {invite_with_body(), odd_but_legal, response}; }

}  // namespace sipfront::test
