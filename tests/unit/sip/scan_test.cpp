#include "sip/scan.hpp"

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "messages.hpp"
#include "mutate.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {
namespace {

std::vector<scan::Isa> machines() {
    std::vector<scan::Isa> all;
    for (const auto isa : {scan::Isa::scalar, scan::Isa::sse, scan::Isa::avx2})
        if (scan::supported(isa)) all.push_back(isa);
    return all;
}

class ScanTest : public testing::Test {
protected:
    ~ScanTest() override { scan::force(scan::best()); }
};

// As find_newlines() says, and as the walk over it goes.
std::vector<std::size_t> lines(scan::Isa isa, std::string_view text) {
    constexpr std::uint64_t untouched = 0x5555555555555555;
    std::vector<std::uint64_t> words(scan::words_of(text.size()) + 1, untouched);
    scan::kernel(isa).find_newlines(text.data(), text.size(), words.data());
    EXPECT_EQ(words.back(), untouched);
    std::vector<std::size_t> found;
    scan::Newlines walk{words.data()};
    for (auto seen = walk.peek();; seen = walk.peek()) {
        const auto at = walk.next();
        EXPECT_EQ(at, seen);
        if (at >= text.size()) return found;
        found.push_back(at);
    }
}

TEST_F(ScanTest, BestIsSupportedAndActive) {
    EXPECT_TRUE(scan::supported(scan::best()));
    EXPECT_EQ(scan::active, &scan::kernel(scan::best()));
}

TEST_F(ScanTest, FindsLineFeedsAndNothingElse) {
    std::string text;
    for (int c = 0; c < 256; ++c) text += {static_cast<char>(c), 'x'};
    for (const auto isa : machines()) EXPECT_EQ(lines(isa, text), std::vector<std::size_t>{2 * '\n'});
}

TEST_F(ScanTest, FindsEachLineFeedOfTextsOfAnyLength) {
    for (std::size_t size = 0; size < 200; ++size) {
        std::vector<std::size_t> all(size);
        std::iota(all.begin(), all.end(), 0);
        for (const auto isa : machines()) {
            EXPECT_EQ(lines(isa, std::string(size, '\n')), all) << size;
            EXPECT_EQ(lines(isa, std::string(size, 'a')), std::vector<std::size_t>{}) << size;
        }
    }
}

TEST_F(ScanTest, AllImplementationsAgreeAndStayInside) {
    test::Mutator mutator{1};
    for (int round = 0; round < 3000; ++round) {
        const auto samples = test::sample_messages();
        auto text = mutator.mutated(std::string{samples[mutator.below(samples.size())]});
        text.resize(mutator.below(text.size() + 1));
        const test::GuardPage at_end{text};
        const test::GuardPage at_start{text, test::Flush::start};
        const auto want = lines(scan::Isa::scalar, at_end.text());
        const auto line = scan::kernel(scan::Isa::scalar).find_call_id_line(at_end.text().data(), text.size());
        for (const auto isa : machines()) {
            ASSERT_EQ(lines(isa, at_end.text()), want);
            ASSERT_EQ(lines(isa, at_start.text()), want);
            ASSERT_EQ(scan::kernel(isa).find_call_id_line(at_end.text().data(), text.size()), line);
            ASSERT_EQ(scan::kernel(isa).find_call_id_line(at_start.text().data(), text.size()), line);
        }
    }
}

// Everything that a Message says, as text.
std::string all_of(const Message& m, ParseError error) {
    std::string s{name(error)};
    const auto add = [&s](auto... values) { ((s += ' ', s += std::to_string(values)), ...); };
    const auto slice = [&add](Slice x) { add(x.off, x.len); };
    add(m.is_request(), static_cast<int>(m.method()), m.status(), m.max_forwards(), m.content_length(), m.headers_begin(), m.headers_end(),
        m.wire().size(), m.body().size(), m.cseq().number, static_cast<int>(m.cseq().method), m.top_via().port, m.top_via().has_rport,
        m.top_via().rport_has_value);
    for (const auto text : {m.method_name(), m.request_uri(), m.reason_phrase(), m.call_id()}) (s += ' ') += text;
    const auto& v = m.top_via();
    for (const auto x : {v.value, v.transport, v.host, v.port_text, v.branch, v.received, v.maddr, v.rport, m.from().uri, m.from().tag,
                         m.to().uri, m.to().tag, m.cseq().method_name})
        slice(x);
    for (const auto& h : m.headers()) {
        slice(h.line), slice(h.name()), slice(h.value);
        add(static_cast<int>(h.id), m.first(h.id) == nullptr ? -1 : static_cast<int>(m.first(h.id) - m.headers().data()));
    }
    return s;
}

TEST_F(ScanTest, ParsingIsTheSameOnEveryMachine) {
    test::Mutator mutator{2};
    Message m;
    for (int round = 0; round < 4000; ++round) {
        const auto samples = test::sample_messages();
        const auto text = mutator.mutated(std::string{samples[mutator.below(samples.size())]});
        const test::GuardPage page{text, round % 2 == 0 ? test::Flush::end : test::Flush::start};
        scan::force(scan::Isa::scalar);
        const auto want = all_of(m, m.parse(page.text()));
        for (const auto isa : machines()) {
            scan::force(isa);
            Message fresh;
            ASSERT_EQ(all_of(fresh, fresh.parse(page.text())), want) << text;
        }
    }
}

// Short cuts look at sixteen octets: names around that length, and whatever may stand between name and value.
TEST_F(ScanTest, EveryHeaderNameAndSeparatorIsTheSameOnEveryMachine) {
    for (const std::string_view name : {"To",
                                        "Via",
                                        "Date",
                                        "Route",
                                        "Min-SE",
                                        "Call-ID",
                                        "Contact",
                                        "Supported",
                                        "User-Agent",
                                        "Retry-After",
                                        "Max-Forwards",
                                        "Target-Dialog",
                                        "Proxy-Require",
                                        "Content-Length",
                                        "Accept-Contact",
                                        "Session-Expires",
                                        "Session-Expired",
                                        "Content-Encoding",
                                        "WWW-Authenticate",
                                        "Proxy-Authenticate",
                                        "Proxy-Authorization",
                                        "Request-Disposition",
                                        "X-Something-Very-Long-Indeed"}) {
        for (const std::string_view between : {": ", ":", " :", ":  ", ":\t", ":\r\n ", " ", ";", ": \r\n "}) {
            for (const std::string_view value : {"7", "70", "<sip:a@b>;tag=1", "x ", ""}) {
                const auto& text = test::invite_with_body();
                const auto line = std::string{name} + std::string{between} + std::string{value} + "\r\n";
                // First, in the middle, and last but for a message without a body, where little is readable behind.
                for (const auto at : {text.find("\r\n") + 2, text.find("\r\n\r\n") + 2}) {
                    for (const bool body : {true, false}) {
                        auto whole = std::string{text}.insert(at, line);
                        if (!body) whole.resize(whole.find("\r\n\r\n") + 4);
                        const test::GuardPage page{whole};
                        scan::force(scan::Isa::scalar);
                        Message m;
                        const auto want = all_of(m, m.parse(page.text()));
                        for (const auto isa : machines()) {
                            scan::force(isa);
                            Message fresh;
                            ASSERT_EQ(all_of(fresh, fresh.parse(page.text())), want) << whole;
                        }
                    }
                }
            }
        }
    }
}

// A fold is noticed by the line that it begins, when the header field before it is taken already.
TEST_F(ScanTest, FoldsAnywhereAreReadTheSame_Rfc3261_7_3_1) {
    const std::string text =
        test::Draft{.more = "Max-Forwards: 70\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK2\r\nSubject: a\r\nX-Other: b"}.text();
    for (const std::string_view fold : {"\r\n c", "\r\n\tc\r\n d", "\r\n ", "\r\n  \r\n e", "\n f"}) {
        for (auto at = text.find("\r\n"); at != std::string::npos; at = text.find("\r\n", at + 1)) {
            const test::GuardPage page{std::string{text}.insert(at, fold)};
            scan::force(scan::Isa::scalar);
            Message m;
            const auto want = all_of(m, m.parse(page.text()));
            for (const auto isa : machines()) {
                scan::force(isa);
                Message fresh;
                ASSERT_EQ(all_of(fresh, fresh.parse(page.text())), want) << page.text();
            }
        }
    }
}

// The index holds so many and no more, however they come.
TEST_F(ScanTest, AsManyHeaderFieldsAsTheIndexHolds) {
    for (const std::string_view line :
         {"To: x\r\n", "t:x\r\n", "Subject: a long one that fills the line with words\r\n", "Via: a\r\n c\r\n"}) {
        for (const std::size_t count :
             {Message::max_headers - 9, Message::max_headers - 8, Message::max_headers - 7, Message::max_headers, std::size_t{300}}) {
            auto text = test::Draft{}.text();
            for (std::size_t i = 0; i < count; ++i) text.insert(text.find("\r\n") + 2, line);
            const test::GuardPage page{text};
            scan::force(scan::Isa::scalar);
            Message m;
            const auto want = all_of(m, m.parse(page.text()));
            for (const auto isa : machines()) {
                scan::force(isa);
                Message fresh;
                const auto error = fresh.parse(page.text());
                ASSERT_EQ(all_of(fresh, error), want) << line << count;
                EXPECT_LE(fresh.headers().size(), Message::max_headers);
            }
        }
    }
}

}  // namespace
}  // namespace sipfront::sip
