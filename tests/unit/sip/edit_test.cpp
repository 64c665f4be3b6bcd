#include "sip/edit.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "messages.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

using test::Draft;

std::string written(const EditList& edits) {
    std::string out(edits.size(), '?');
    EXPECT_FALSE(edits.overflowed());
    EXPECT_EQ(edits.write(out), out.size());
    return out;
}

TEST(EditList, WithoutEditsCopiesTheMessage) {
    Message m;
    ASSERT_EQ(m.parse(test::invite_with_body()), ParseError::none);
    EXPECT_EQ(written(EditList{m}), m.wire());
}

TEST(EditList, InsertsReplacesAndErases) {
    Message m;
    const auto text = Draft{}.text();
    ASSERT_EQ(m.parse(text), ParseError::none);
    EditList edits{m};
    edits.replace(m.first(HeaderId::max_forwards)->value, "69");
    edits.insert(m.headers_begin(), "Via: new\r\n");
    edits.replace(m.top_via().rport, "rport=5060;received=10.0.0.1");
    edits.erase(m.first(HeaderId::content_length)->line);
    edits.insert(m.headers_end(), "X: y\r\n");
    edits.insert(m.headers_begin(), "Record-Route: rr\r\n");
    Draft want;
    want.via = "Via: new\r\nRecord-Route: rr\r\nVia: SIP/2.0/UDP 10.77.0.7:5060;branch=z9hG4bK-a1;rport=5060;received=10.0.0.1";
    want.more = "Max-Forwards: 69\r\nX: y";
    want.length = "";
    EXPECT_EQ(written(edits), want.text());
}

TEST(EditList, InsertsAtAnErasedPlaceStandBeforeWhatFollows) {
    Message m;
    const auto text = Draft{}.text();
    ASSERT_EQ(m.parse(text), ParseError::none);
    for (const bool insert_first : {false, true}) {
        EditList edits{m};
        const auto line = m.first(HeaderId::via)->line;
        if (insert_first) edits.insert(line.off, "A: 1\r\n");
        edits.erase(line);
        if (!insert_first) edits.insert(line.off, "A: 1\r\n");
        edits.insert(line.off, "B: 2\r\n");
        edits.insert(line.end(), "C: 3\r\n");
        Draft want;
        want.via = "A: 1\r\nB: 2\r\nC: 3";
        EXPECT_EQ(written(edits), want.text());
    }
}

TEST(EditList, RefusesWhatOverlapsOrLiesOutside) {
    Message m;
    const auto text = Draft{}.text();
    ASSERT_EQ(m.parse(text), ParseError::none);
    const auto size = static_cast<std::uint32_t>(text.size());
    const auto overflows = [&m](auto... edit) {
        EditList edits{m};
        (edits.replace(edit[0], edit[1], "x"), ...);
        return edits.overflowed();
    };
    using Range = std::array<std::uint32_t, 2>;
    EXPECT_TRUE(overflows(Range{10, 20}, Range{15, 25}));
    EXPECT_TRUE(overflows(Range{15, 25}, Range{10, 20}));
    EXPECT_TRUE(overflows(Range{10, 20}, Range{12, 14}));
    EXPECT_TRUE(overflows(Range{12, 14}, Range{10, 20}));
    EXPECT_TRUE(overflows(Range{10, 20}, Range{10, 20}));
    EXPECT_TRUE(overflows(Range{10, 20}, Range{15, 15}));
    EXPECT_TRUE(overflows(Range{20, 10}));
    EXPECT_TRUE(overflows(Range{size, size + 1}));
    EXPECT_FALSE(overflows(Range{10, 20}, Range{20, 30}, Range{10, 10}, Range{20, 20}, Range{size, size}, Range{0, 0}));
}

TEST(EditList, RemembersThatOneDidNotFit) {
    Message m;
    ASSERT_EQ(m.parse(test::invite_with_body()), ParseError::none);
    EditList edits{m};
    for (std::size_t i = 0; i < EditList::max_edits; ++i) edits.insert(0, "x");
    EXPECT_FALSE(edits.overflowed());
    edits.insert(0, "x");
    EXPECT_TRUE(edits.overflowed());
}

// Erases the values with these indices, in this order, of the header line and returns what is left of it.
std::string left_of(const std::string& line, const std::vector<std::size_t>& order) {
    Message m;
    Draft d;
    d.more = line;
    const auto text = d.text();
    EXPECT_EQ(m.parse(text), ParseError::none) << line;
    const auto& h = m.headers()[5];
    std::vector<std::string_view> values;
    for (std::string_view rest = m.at(h.value), one; next_value(rest, one);) values.push_back(one);
    EditList edits{m};
    for (const auto i : order) edits.erase_value(m, h, values.at(i));
    const auto out = written(edits);
    const auto from = text.find(d.cseq) + d.cseq.size() + 2;
    return out.substr(from, out.find("Content-Length") - from);
}

TEST(EraseValue, TakesTheLineWhenNothingIsLeft) {
    EXPECT_EQ(left_of("Route: <sip:a>", {0}), "");
    EXPECT_EQ(left_of("Route: <sip:a>,\r\n <sip:b>", {0, 1}), "");
    EXPECT_EQ(left_of("Route: <sip:a>, <sip:b>", {1, 0}), "");
    EXPECT_EQ(left_of("Route: ,<sip:a>, ,<sip:b>,", {1, 0, 1}), "");
}

TEST(EraseValue, LeavesAWellFormedList) {
    EXPECT_EQ(left_of("Route: <sip:a>, <sip:b>", {0}), "Route: <sip:b>\r\n");
    EXPECT_EQ(left_of("Route: <sip:a>, <sip:b>", {1}), "Route: <sip:a>\r\n");
    EXPECT_EQ(left_of("Route: <sip:a>, <sip:b> ,<sip:c>", {1}), "Route: <sip:a> ,<sip:c>\r\n");
    EXPECT_EQ(left_of("Route: <sip:a>, <sip:b> ,<sip:c>", {0, 1}), "Route: <sip:c>\r\n");
    EXPECT_EQ(left_of("Route: <sip:a>, <sip:b> ,<sip:c>", {2, 1}), "Route: <sip:a>\r\n");
    EXPECT_EQ(left_of("Route: <sip:a>,\r\n <sip:b>,\r\n <sip:c>\r\n", {0, 2}).substr(0, 14), "Route: <sip:b>");
}

TEST(EraseValue, AnyOrderOfAnySubsetGivesTheSame) {
    const std::vector<std::string> all = {"<sip:a,x>", "\"b,\" <sip:b>", "<sip:c>;p=\",\"", "<sip:d>"};
    for (unsigned subset = 1; subset < 16; ++subset) {
        std::vector<std::size_t> order;
        std::string want;
        for (std::size_t i = 0; i < all.size(); ++i)
            if ((subset >> i & 1U) != 0) {
                order.push_back(i);
            } else {
                want += (want.empty() ? "Route: " : ", ") + all[i];
            }
        if (!want.empty()) want += "\r\n";
        do {
            EXPECT_EQ(left_of("Route: " + all[0] + ", " + all[1] + ", " + all[2] + ", " + all[3], order), want) << subset;
        } while (std::next_permutation(order.begin(), order.end()));
    }
}

TEST(EraseValue, GoesWithOtherEditsOfTheSameLine) {
    Message m;
    ASSERT_EQ(m.parse(test::response), ParseError::none);
    const auto& via = *m.first(HeaderId::via);
    std::string_view rest = m.at(via.value), top, second;
    ASSERT_TRUE(next_value(rest, top) && next_value(rest, second));
    EditList edits{m};
    edits.insert(via.line.off, "X: y\r\n");
    edits.erase(m.top_via().received);
    edits.erase_value(m, via, second);
    const auto out = written(edits);
    EXPECT_NE(out.find("\r\nX: y\r\nVia: SIP/2.0/UDP 10.77.0.100;branch=z9hG4bK-p;received=\r\nRecord-Route"), std::string::npos) << out;

    EditList pop{m};
    pop.erase_value(m, via, top);
    EXPECT_NE(written(pop).find("\r\nVia: SIP/2.0/UDP 10.77.0.7;branch=z9hG4bK-a1\r\n"), std::string::npos);
}

TEST(EditList, AgreesWithAModelOnRandomEdits) {
    std::mt19937 random{20261122};
    const auto below = [&random](std::size_t n) { return static_cast<std::uint32_t>(random() % n); };
    Message m;
    ASSERT_EQ(m.parse(test::invite_with_body()), ParseError::none);
    const auto& wire = test::invite_with_body();
    const test::GuardPage page{wire};
    ASSERT_EQ(m.parse(page.text()), ParseError::none);
    for (int round = 0; round < 2000; ++round) {
        struct Model {
            std::uint32_t from, to;
            std::string text;
            std::size_t order;
        };
        std::vector<Model> model;
        const auto wanted = below(EditList::max_edits);
        for (std::size_t i = 0; i < wanted; ++i) {
            const auto from = below(wire.size() + 1);
            const auto to = below(2) == 0 ? from : std::min(static_cast<std::uint32_t>(wire.size()), from + below(40));
            const bool clash = std::any_of(model.begin(), model.end(), [&](const Model& e) { return from < e.to && e.from < to; }) ||
                               std::any_of(model.begin(), model.end(), [&](const Model& e) {
                                   return (from == to && e.from < from && from < e.to) || (e.from == e.to && from < e.from && e.from < to);
                               });
            if (!clash) model.push_back({from, to, std::string(below(9), static_cast<char>('A' + i % 26)), i});
        }
        EditList edits{m};
        for (const auto& e : model) edits.replace(e.from, e.to, e.text);
        auto sorted = model;
        std::sort(sorted.begin(), sorted.end(), [](const Model& a, const Model& b) {
            return std::tuple{a.from, a.from != a.to, a.order} < std::tuple{b.from, b.from != b.to, b.order};
        });
        std::string want = wire;
        for (auto e = sorted.rbegin(); e != sorted.rend(); ++e) want.replace(e->from, e->to - e->from, e->text);
        ASSERT_FALSE(edits.overflowed());
        ASSERT_EQ(edits.size(), want.size());
        const test::GuardPage out{std::string(want.size(), '?')};
        ASSERT_EQ(edits.write({const_cast<char*>(out.text().data()), out.text().size()}), want.size());
        ASSERT_EQ(out.text(), want);
    }
}

TEST(Scratch, JoinsAndRemembersAnOverflow) {
    Scratch scratch;
    EXPECT_EQ(scratch.join({"Via: ", "", "x", "\r\n"}), "Via: x\r\n");
    const auto room = scratch.take(100);
    ASSERT_EQ(room.size(), 100U);
    scratch.give_back(90);
    EXPECT_EQ(scratch.join({"y"}).data(), room.data() + 10);
    EXPECT_FALSE(scratch.overflowed());
    EXPECT_EQ(scratch.join({std::string(Scratch::capacity, 'z')}), "");
    EXPECT_TRUE(scratch.overflowed());
    scratch.clear();
    EXPECT_FALSE(scratch.overflowed());
    EXPECT_EQ(scratch.take(Scratch::capacity).size(), Scratch::capacity);
}

TEST(Scratch, StripsParametersAndHeadersOfAUri) {
    Scratch scratch;
    const auto strip = [&](std::string_view text) {
        return std::string{scratch.strip_uri(text, parse_uri(text).value(), {"maddr", "method"})};
    };
    EXPECT_EQ(strip("sip:bob@host"), "sip:bob@host");
    EXPECT_EQ(strip("sip:bob;x@host:5070;MADDR=1.2.3.4;lr;a=b"), "sip:bob;x@host:5070;lr;a=b");
    EXPECT_EQ(strip("sips:[2001:db8::1];Method=INVITE?Subject=x"), "sips:[2001:db8::1]");
    EXPECT_EQ(strip("sip:host?a=b;maddr=c"), "sip:host");
    EXPECT_EQ(strip("sip:host;"), "sip:host");
    EXPECT_EQ(strip("sip:host;maddrs=1;method"), "sip:host;maddrs=1");
}

}  // namespace
}  // namespace sipfront::sip
