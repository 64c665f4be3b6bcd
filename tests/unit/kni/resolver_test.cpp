// The cache and the resolver on a manual clock, with a DNS that answers when the test says so.
#include "kni/resolver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sipfront::kni {
namespace {

using namespace std::chrono_literals;
using core::NameStatus;

core::NameQuestion question(std::string_view host) { return *core::NameQuestion::make(host, 5060, false); }

class FakeDns final : public DnsTransport {
public:
    void query(const DnsQuery& q, OnReply on_reply) override { waiting.push_back({q, std::move(on_reply)}); }
    void answer(std::uint32_t address, std::uint32_t ttl) {
        reply({DnsReply::Status::found, {{.address = core::IpAddress::v4(address)}}, ttl});
    }
    // To the oldest query.
    void reply(const DnsReply& r) {
        const auto first = std::move(waiting.front());
        waiting.erase(waiting.begin());
        first.on_reply(r);
    }
    struct Waiting {
        DnsQuery query;
        OnReply on_reply;
    };
    std::vector<Waiting> waiting;
};

class ResolverTest : public testing::Test {
protected:
    const core::NameAnswer* find(std::string_view host) {
        resolver.publish();
        const auto* table = names.acquire(core::WorkerId{0});
        return table == nullptr ? nullptr : table->find(question(host).key(key), now);
    }
    void pass(core::Duration d) {
        now += d;
        resolver.tick();
    }
    std::uint64_t count(ResolverCount c) const { return stats.counts[c].get(); }

    core::HashKey key{core::SecretKey{5, 6}};
    core::Tick now{1h};
    FakeDns dns;
    core::Published<core::NameTable> names{1};
    ResolverStats stats;
    Resolver resolver{{.config = {.max_names = 3}, .families = {}, .key = key, .dns = dns, .names = names, .stats = stats, .clock = [this] {
                           return now;
                       }}};
};

TEST_F(ResolverTest, OneQueryForAllWhoAskAtOnce) {
    for (int i = 0; i < 5; ++i) resolver.ask(question("a.example"));
    ASSERT_EQ(dns.waiting.size(), 1U);
    EXPECT_EQ(find("a.example"), nullptr);
    dns.answer(0xc0000201, 60);
    const auto* a = find("a.example");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->target(1, 0)->remote.to_string(), "192.0.2.1:5060");
    resolver.ask(question("a.example"));
    EXPECT_TRUE(dns.waiting.empty()) << "known";
    EXPECT_EQ(count(ResolverCount::questions), 6U);
    EXPECT_EQ(count(ResolverCount::queries), 1U);
    EXPECT_EQ(count(ResolverCount::found), 1U);
}

TEST_F(ResolverTest, AnAnswerHoldsAsLongAsItsTtl) {
    resolver.ask(question("a.example"));
    dns.answer(1, 60);
    pass(59s);
    ASSERT_TRUE(dns.waiting.empty()) << "nobody has used it: not asked for again";
    EXPECT_NE(find("a.example"), nullptr);
    pass(1s);
    EXPECT_EQ(find("a.example"), nullptr);
    EXPECT_TRUE(resolver.rows().empty());
}

TEST_F(ResolverTest, ATtlIsHeldWithinItsBounds) {
    resolver.ask(question("zero.example"));
    dns.answer(1, 0);
    EXPECT_NE(find("zero.example"), nullptr) << "those who wait must see it";
    pass(1s);
    EXPECT_EQ(find("zero.example"), nullptr);
    resolver.ask(question("week.example"));
    dns.answer(1, 7 * 86'400);
    pass(3600s);
    EXPECT_EQ(find("week.example"), nullptr);
}

TEST_F(ResolverTest, ANameInUseIsAskedForBeforeItExpires) {
    resolver.ask(question("a.example"));
    dns.answer(1, 60);
    pass(53s);
    EXPECT_NE(find("a.example"), nullptr);
    pass(1s);
    ASSERT_EQ(dns.waiting.size(), 1U) << "with a tenth of its time left";
    EXPECT_EQ(find("a.example")->target(0, 0)->remote.address.v4_host_order(), 1U) << "the old one serves meanwhile";
    pass(1s);
    EXPECT_EQ(dns.waiting.size(), 1U) << "one query in flight";
    dns.answer(2, 60);
    EXPECT_EQ(find("a.example")->target(0, 0)->remote.address.v4_host_order(), 2U);
    EXPECT_EQ(count(ResolverCount::renewed), 1U);
    pass(20s);
    EXPECT_NE(find("a.example"), nullptr) << "for the new time";
}

TEST_F(ResolverTest, AFailureDoesNotReplaceWhatStillHolds) {
    resolver.ask(question("a.example"));
    dns.answer(1, 60);
    (void)find("a.example");
    pass(55s);
    dns.reply({});
    EXPECT_EQ(find("a.example")->status, NameStatus::found);
    pass(1s);
    EXPECT_TRUE(dns.waiting.empty()) << "not over and over";
    pass(4s);
    EXPECT_EQ(find("a.example"), nullptr);
}

TEST_F(ResolverTest, AbsenceAndFailureAreRememberedForABoundedTime) {
    resolver.ask(question("no.example"));
    dns.reply({DnsReply::Status::absent, {}, 9'999});
    ASSERT_NE(find("no.example"), nullptr);
    EXPECT_EQ(find("no.example")->status, NameStatus::absent);
    pass(29s);
    EXPECT_NE(find("no.example"), nullptr);
    pass(1s);
    EXPECT_EQ(find("no.example"), nullptr) << "not renewed, though in use";
    EXPECT_TRUE(dns.waiting.empty());

    resolver.ask(question("broken.example"));
    dns.reply({});
    EXPECT_EQ(find("broken.example")->status, NameStatus::failed);
    resolver.ask(question("broken.example"));
    EXPECT_TRUE(dns.waiting.empty());
    pass(5s);
    EXPECT_EQ(find("broken.example"), nullptr);
    resolver.ask(question("broken.example"));
    EXPECT_EQ(dns.waiting.size(), 1U);
}

TEST_F(ResolverTest, IsBoundedByForgettingWhatExpiresFirst) {
    for (const auto& [host, ttl] : {std::pair{"a.example", 50U}, {"b.example", 10U}, {"c.example", 90U}}) {
        resolver.ask(question(host));
        dns.answer(1, ttl);
    }
    resolver.ask(question("d.example"));
    dns.answer(1, 60);
    EXPECT_EQ(find("b.example"), nullptr);
    for (const auto* host : {"a.example", "c.example", "d.example"}) EXPECT_NE(find(host), nullptr) << host;
    EXPECT_EQ(count(ResolverCount::evicted), 1U);
    EXPECT_EQ(stats.names.get(), 3U);
}

TEST_F(ResolverTest, WhatIsBeingAskedForIsNotForgotten) {
    for (const auto* host : {"a.example", "b.example", "c.example", "d.example"}) resolver.ask(question(host));
    EXPECT_EQ(dns.waiting.size(), 3U);
    EXPECT_EQ(count(ResolverCount::refused), 1U);
    for (std::uint32_t i = 0; i < 3; ++i) dns.answer(i + 1, 60);
    EXPECT_NE(find("a.example"), nullptr);
    resolver.ask(question("d.example"));
    EXPECT_EQ(dns.waiting.size(), 1U);
}

TEST_F(ResolverTest, ReplacedTablesAreFreed) {
    for (std::uint32_t i = 0; i < 20; ++i) {
        resolver.ask(question("a.example"));
        dns.answer(i, 1);
        (void)find("a.example");
        pass(1s);
    }
    EXPECT_LE(names.waiting(), 2U);
}

}  // namespace
}  // namespace sipfront::kni
