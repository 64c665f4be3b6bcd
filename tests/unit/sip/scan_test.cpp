#include "sip/scan.hpp"

#include <memory>
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

struct Marked {
    std::vector<std::uint64_t> newline, delimiter;
    bool operator==(const Marked&) const = default;
};

Marked mark(scan::Isa isa, std::string_view text) {
    const auto marks = std::make_unique<scan::Marks>();
    const auto n = scan::kernel(isa).mark_headers(text.data(), text.size(), *marks);
    const auto vector = [n](const scan::Marks::Bits& bits) {
        return std::vector<std::uint64_t>(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(n) + 1);
    };
    return {vector(marks->newline), vector(marks->delimiter)};
}

TEST_F(ScanTest, BestIsSupportedAndActive) {
    EXPECT_TRUE(scan::supported(scan::best()));
    EXPECT_EQ(scan::active, &scan::kernel(scan::best()));
}

TEST_F(ScanTest, MarksEveryOctetValue) {
    std::string text;
    for (int c = 0; c < 256; ++c) text += {static_cast<char>(c), 'x'};
    for (const auto isa : machines()) {
        const auto marked = mark(isa, text);
        ASSERT_EQ(marked.newline.size(), 9U);
        for (std::size_t i = 0; i < text.size(); ++i) {
            const auto c = static_cast<unsigned char>(text[i]);
            EXPECT_EQ(marked.newline[i / 64] >> i % 64 & 1, c == '\n') << i;
            const auto among = [&](std::string_view set) { return c < 0x20 || set.find(text[i]) != std::string_view::npos; };
            EXPECT_EQ(marked.delimiter[i / 64] >> i % 64 & 1, among(" \"(,:;<=>")) << i;
        }
        EXPECT_EQ(marked.newline.back() | marked.delimiter.back(), 0U);
    }
}

TEST_F(ScanTest, StopsBehindTheBlockWithTheEmptyLine) {
    for (const std::string_view end : {"\r\n\r\n", "\n\n", "\r\n\n", "\n\r\n"})
        for (std::size_t before = 1; before < 140; ++before) {
            const auto text = std::string(before, 'a') + std::string{end} + std::string(500, '\n');
            for (const auto isa : machines()) EXPECT_EQ(mark(isa, text).newline.size() - 1, (before + end.size() - 1) / 64 + 1) << before;
        }
    for (const auto isa : machines()) EXPECT_EQ(mark(isa, "a\r\r\nb\n\rc\n\r \n" + std::string(200, 'x')).newline.size() - 1, 4U);
}

TEST_F(ScanTest, AllImplementationsAgreeAndStayInside) {
    test::Mutator mutator{1};
    for (int round = 0; round < 3000; ++round) {
        const auto samples = test::sample_messages();
        auto text = mutator.mutated(std::string{samples[mutator.below(samples.size())]});
        text.resize(mutator.below(text.size() + 1));
        const test::GuardPage at_end{text};
        const test::GuardPage at_start{text, test::Flush::start};
        const auto want = mark(scan::Isa::scalar, at_end.text());
        const auto line = scan::kernel(scan::Isa::scalar).find_call_id_line(at_end.text().data(), text.size());
        for (const auto isa : machines()) {
            ASSERT_EQ(mark(isa, at_end.text()), want);
            ASSERT_EQ(mark(isa, at_start.text()), want);
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
        slice(h.line), slice(h.name), slice(h.value);
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

TEST_F(ScanTest, CursorsAgreeWithAPlainWalk) {
    const auto& text = test::invite_with_body();
    const auto marks = std::make_unique<scan::Marks>();
    scan::active->mark_headers(text.data(), text.size(), *marks);
    const auto end = text.find("\r\n\r\n");
    for (std::size_t from = 0; from < end; ++from) {
        const auto same = [&](auto marked, auto plain) {
            for (auto at = plain.next(); at < end; at = plain.next()) ASSERT_EQ(marked.next(), at);
            ASSERT_GE(marked.next(), end);
            ASSERT_GE(marked.next(), end);
        };
        same(scan::Marked{text.data(), *marks}.delimiters(from, end), scan::Plain{text.data()}.delimiters(from, end));
        same(scan::Marked{text.data(), *marks}.breakers(from, end), scan::Plain{text.data()}.breakers(from, end));
    }
}

}  // namespace
}  // namespace sipfront::sip
