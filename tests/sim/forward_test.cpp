// The copy of a request that leaves (RFC 3261 §16.6): the usual one, made in one pass, is octet for octet what a list of edits makes.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using Random = std::mt19937;

std::string_view one_of(Random& random, std::initializer_list<std::string_view> all) { return all.begin()[random() % all.size()]; }

// A request with what varies from sender to sender: the order of its lines, what its Via says, other proxies before us, its size.
std::string varied(Random& random, RequestSpec spec) {
    spec.via_params = one_of(random, {"", "", ";rport", ";rport=1", ";received=192.0.2.7", ";rport;received=192.0.2.7",
                                      ";received=192.0.2.7;rport=77", ";x=y;rport;z"});
    if (random() % 4 == 0) spec.via = client_b;  // of another host: behind a NAT
    spec.body = std::string(random() % 3 * 120, 'b');
    spec.headers.emplace_back("User-Agent: " + std::string(1 + random() % 200, 'u'));
    if (random() % 3 == 0) spec.headers.emplace_back("Timestamp: 54");
    auto text = request(spec);
    const auto hops = one_of(random, {"70", "1", "255", "10", "0070"});
    text.replace(text.find("Max-Forwards: 70") + 14, 2, hops);

    std::vector<std::string> lines;
    const auto begin = text.find("\r\n") + 2, end = text.find("\r\n\r\n") + 2;
    for (auto at = begin; at < end;) {
        const auto behind = text.find("\r\n", at) + 2;
        lines.push_back(text.substr(at, behind - at));
        at = behind;
    }
    if (random() % 3 == 0) lines.insert(lines.begin() + 1, "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKbefore\r\n");
    // Their order among those of one name means something.
    const auto first = random() % 8 == 0 ? 0 : lines[1].starts_with("Via") ? 2 : 1;
    std::rotate(lines.begin() + first, lines.begin() + first + static_cast<std::ptrdiff_t>(random() % (lines.size() - 2)), lines.end());
    std::string whole = text.substr(0, begin);
    for (const auto& line : lines) whole += line;
    return whole + text.substr(end);
}

// With a line that does not pass, which makes any request an unusual one.
std::string with_forged_line(Random& random, std::string text) {
    auto line_end = text.find("\r\n");
    for (auto skip = random() % 8; skip != 0; --skip)
        if (const auto next = text.find("\r\n", line_end + 2); next < text.find("\r\n\r\n")) line_end = next;
    return text.insert(line_end + 2, "X-AUTH-IP: 192.0.2.66\r\n");
}

TEST(Forward, TheUsualRequestLeavesLikeAnyOther) {
    Random random{166};
    std::size_t compared = 0;
    for (int round = 0; round < 150; ++round) {
        World usual, edited;
        const auto both = [&](const std::string& text, const core::Endpoint& from, bool forge) {
            const auto other = forge ? with_forged_line(random, text) : text;
            const auto sent = usual.receive(text, from), theirs = edited.receive(other, from);
            EXPECT_EQ(sent.size(), theirs.size()) << text;
            for (std::size_t i = 0; i < std::min(sent.size(), theirs.size()); ++i, ++compared) {
                EXPECT_EQ(sent[i].text, theirs[i].text) << other;
                EXPECT_EQ(sent[i].flow, theirs[i].flow) << other;
            }
            return sent;
        };
        RequestSpec spec;
        const auto sent = both(varied(random, spec), client_a, true);
        if (how_many(sent, "INVITE") == 0) continue;
        const auto invite = only(sent, "INVITE");
        both(response(invite.text, 200, "OK", "callee", {"Contact: <sip:host@" + invite.flow.remote.to_string() + ">"}), invite.flow.remote,
             false);
        spec.to_tag = "callee";
        spec.uri = "sip:host@" + invite.flow.remote.to_string();
        for (const auto& route : Text{invite.text}.values("Record-Route")) spec.headers.push_back("Route: " + route);
        for (const auto* method : {"ACK", "BYE"}) {
            spec.method = method;
            spec.cseq = spec.method == "ACK" ? 1 : 2;
            spec.branch = "z9hG4bK" + spec.method;
            const auto follows = both(varied(random, spec), client_a, true);
            EXPECT_EQ(how_many(follows, method), 1U);
        }
    }
    EXPECT_GT(compared, 500U);
}

}  // namespace
}  // namespace sipfront::sim
