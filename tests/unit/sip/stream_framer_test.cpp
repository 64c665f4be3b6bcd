#include "sip/stream_framer.hpp"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "messages.hpp"
#include "mutate.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {
namespace {

using test::Draft;
using Kind = Frame::Kind;

// "M<bytes>" for a message, "P" for a ping, "B<error>" for bad framing.
using Events = std::vector<std::string>;

void feed(StreamFramer& framer, std::string_view segment, Events& events) {
    const test::GuardPage page{segment};
    framer.feed(page.text());
    for (Frame f = framer.next(); f.kind != Kind::need_more; f = framer.next()) {
        if (f.kind == Kind::message) events.push_back("M" + std::string{f.bytes});
        if (f.kind == Kind::ping) events.push_back("P");
        if (f.kind == Kind::bad_framing) {
            events.push_back("B" + std::string{name(f.error)});
            return;
        }
    }
}

Events framed(const std::vector<std::string_view>& segments, FramerLimits limits = {}) {
    StreamFramer framer{limits};
    Events events;
    for (const auto s : segments)
        if (events.empty() || events.back()[0] != 'B') feed(framer, s, events);
    return events;
}

std::string message(std::string body = "") {
    Draft d;
    d.length = "Content-Length: " + std::to_string(body.size());
    d.body = std::move(body);
    return d.text();
}

TEST(StreamFramer, SeveralMessagesInOneSegmentAreNotCopied) {
    const auto stream = message() + message("abc") + message("\r\n\r\n");
    StreamFramer framer;
    framer.feed(stream);
    std::size_t at = 0;
    for (const auto& want : {message(), message("abc"), message("\r\n\r\n")}) {
        const auto f = framer.next();
        ASSERT_EQ(f.kind, Kind::message);
        EXPECT_EQ(f.bytes, want);
        EXPECT_EQ(f.bytes.data(), stream.data() + at);
        at += want.size();
    }
    EXPECT_EQ(framer.next().kind, Kind::need_more);
    EXPECT_EQ(framer.buffered(), 0U);
}

TEST(StreamFramer, SplitAtEveryOctet_Rfc3261_18_3) {
    const auto stream = "\r\n\r\n" + message("v=0\r\n\r\n") + message() + "\r\n\r\n\r\n" + message("x");
    const Events want = {"P", "M" + message("v=0\r\n\r\n"), "M" + message(), "P", "M" + message("x")};
    const std::string_view all = stream;
    for (std::size_t cut = 0; cut <= all.size(); ++cut) EXPECT_EQ(framed({all.substr(0, cut), all.substr(cut)}), want) << cut;
    std::vector<std::string_view> octets;
    for (std::size_t i = 0; i < all.size(); ++i) octets.push_back(all.substr(i, 1));
    EXPECT_EQ(framed(octets), want);
}

TEST(StreamFramer, RandomSegmentsGiveTheSameMessages) {
    test::Mutator random{4};
    Events want;
    std::string stream;
    for (int i = 0; i < 40; ++i) {
        const auto m = message(std::string(random.below(3000), 'b'));
        want.push_back("M" + m);
        stream += m;
    }
    for (int round = 0; round < 50; ++round) {
        std::vector<std::string_view> segments;
        for (std::string_view rest = stream; !rest.empty();) {
            const auto n = std::min(rest.size(), random.below(round % 2 == 0 ? 1500 : 40) + 1);
            segments.push_back(rest.substr(0, n));
            rest.remove_prefix(n);
        }
        EXPECT_EQ(framed(segments), want);
    }
}

TEST(StreamFramer, KeepAlives_Rfc5626_3_5_1) {
    EXPECT_EQ(framed({"\r\n"}), Events{});
    EXPECT_EQ(framed({"\r\n\r\n"}), Events{"P"});
    EXPECT_EQ(framed({"\r\n\r", "\n\r\n\r\n"}), (Events{"P", "P"}));
    EXPECT_EQ(framed({"\r\n", message(), "\r\n"}), (Events{"M" + message()}));
    EXPECT_EQ(framed({"\n\n", std::string(3, '\0'), message()}), (Events{"M" + message()}));
    EXPECT_EQ(framed({"\r\r\n\r\n"}), Events{"P"});
}

TEST(StreamFramer, ContentLengthInEverySpelling) {
    for (const auto line : {"Content-Length: 3", "l:3", "L : 003", "CONTENT-LENGTH\t:\r\n 3", "Content-Length: 3\r\nl: 03"}) {
        Draft d;
        d.length = line;
        d.body = "abc";
        EXPECT_EQ(framed({d.text()}), (Events{"M" + d.text()})) << line;
        d.line_end = "\n";
        EXPECT_EQ(framed({d.text()}), (Events{"M" + d.text()})) << line;
    }
    Draft d;
    d.more = "X: y\r\n Content-Length: 99\r\nX-Content-Length: 98";
    EXPECT_EQ(framed({d.text()}), (Events{"M" + d.text()}));
}

TEST(StreamFramer, BadFramingIsFinal_Rfc3261_18_3) {
    const struct {
        std::string_view line, error;
    } cases[] = {{"", "no_content_length"},
                 {"Content-Length: -999", "bad_content_length"},
                 {"Content-Length: x", "bad_content_length"},
                 {"Content-Length:", "bad_content_length"},
                 {"Content-Length: 1\r\nContent-Length: 2", "bad_content_length"},
                 {"Content-Length: 4294967296", "bad_content_length"},
                 {"Content-Length: 65507", "message_too_long"},
                 {"Content-Length: 2147483647", "message_too_long"}};
    for (const auto& c : cases) {
        Draft d;
        d.length = c.line;
        const auto text = d.text();
        EXPECT_EQ(framed({text + message()}), Events{"B" + std::string{c.error}}) << c.line;
        for (std::size_t cut = 0; cut < text.size(); cut += 7)
            EXPECT_EQ(framed({std::string_view{text}.substr(0, cut), std::string_view{text}.substr(cut)}),
                      Events{"B" + std::string{c.error}});
        StreamFramer framer;
        framer.feed(text);
        const auto f = framer.next();
        EXPECT_EQ(f.bytes, text) << "the header block, for a 400";
        EXPECT_EQ(framer.next().kind, Kind::bad_framing);
        const auto more = message();
        framer.feed(more);
        EXPECT_EQ(framer.next().kind, Kind::bad_framing);
    }
}

TEST(StreamFramer, EveryErrorHasItsOwnName) {
    std::set<std::string_view> names;
    for (int i = 0; i < static_cast<int>(FramingError::count_); ++i) names.insert(name(static_cast<FramingError>(i)));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(FramingError::count_));
}

TEST(StreamFramer, MemoryIsBounded) {
    const FramerLimits limits{.header_block = 1000, .message = 1500};
    EXPECT_EQ(framed({std::string(1000, 'x')}, limits), Events{"Bheaders_too_long"});
    EXPECT_EQ(framed({std::string(999, 'x'), "x"}, limits), Events{"Bheaders_too_long"});
    EXPECT_EQ(framed({std::string(999, 'x')}, limits), Events{});
    StreamFramer framer{limits};
    Events events;
    for (int i = 0; i < 5000; ++i) {
        feed(framer, "y", events);
        ASSERT_LE(framer.buffered(), limits.header_block);
    }
    EXPECT_EQ(events.front(), "Bheaders_too_long");

    const auto room = limits.message - message().size() - 4;
    EXPECT_EQ(framed({message(std::string(room, 'b'))}, limits).front().front(), 'M');
    EXPECT_EQ(framed({message(std::string(room + 10, 'b'))}, limits), Events{"Bmessage_too_long"});
}

TEST(StreamFramer, LargestMessagePasses) {
    const auto body = std::string(65507 - message().size() - 4, 'b');
    const auto text = message(body);
    ASSERT_EQ(text.size(), 65507U);
    const std::string_view all = text;
    EXPECT_EQ(framed({all.substr(0, 70), all.substr(70, 40000), all.substr(40070)}), Events{"M" + text});
    Message m;
    EXPECT_EQ(m.parse(text), ParseError::none);
}

TEST(StreamFramer, SegmentBehindABufferedMessageStaysUncopied) {
    const auto first = message("abc"), second = message("defg");
    StreamFramer framer;
    framer.feed(std::string_view{first}.substr(0, 30));
    EXPECT_EQ(framer.next().kind, Kind::need_more);
    EXPECT_EQ(framer.buffered(), 30U);
    const auto rest = first.substr(30) + second + "INV";
    framer.feed(rest);
    EXPECT_EQ(framer.next().bytes, first);
    const auto f = framer.next();
    EXPECT_EQ(f.bytes, second);
    EXPECT_EQ(f.bytes.data(), rest.data() + first.size() - 30);
    EXPECT_EQ(framer.next().kind, Kind::need_more);
    EXPECT_EQ(framer.buffered(), 3U);
}

TEST(StreamFramer, DamagedStreamsNeverBreakIt) {
    test::Mutator mutator{5};
    for (int round = 0; round < 500; ++round) {
        const auto stream = mutator.mutated(message("v=0\r\n") + "\r\n\r\n" + message() + test::response);
        const std::string_view all = stream;
        const auto cut = mutator.below(stream.size() + 1);
        EXPECT_EQ(framed({all.substr(0, cut), all.substr(cut)}), framed({all}));
    }
}

}  // namespace
}  // namespace sipfront::sip
