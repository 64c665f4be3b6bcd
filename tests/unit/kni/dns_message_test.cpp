#include "kni/dns_message.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kni/dns_wire.hpp"

namespace sipfront::kni {
namespace {

using Status = DnsReply::Status;

TEST(DnsMessage, AddressesAndTheShortestTtl) {
    auto w = Wire::reply("Carrier.example", RecordType::a, 2);
    w.record(RecordType::a, 300, Wire{}.u32(0xc0000201)).record(RecordType::a, 60, Wire{}.u32(0xc0000202));
    const auto r = decode_reply(w.bytes, "carrier.example", RecordType::a);
    EXPECT_EQ(r.status, Status::found);
    EXPECT_EQ(r.ttl, 60U);
    ASSERT_EQ(r.records.size(), 2U);
    EXPECT_EQ(r.records[1].address.to_string(), "192.0.2.2");
}

TEST(DnsMessage, Ipv6) {
    Wire data;
    for (int i = 0; i < 15; ++i) data.u8(i == 0 ? 0xfd : 0);
    data.u8(7);
    auto w = Wire::reply("v6.example", RecordType::aaaa, 1);
    w.record(RecordType::aaaa, 5, data);
    const auto r = decode_reply(w.bytes, "v6.example", RecordType::aaaa);
    ASSERT_EQ(r.records.size(), 1U);
    EXPECT_EQ(r.records[0].address.to_string(), "fd00::7");
}

TEST(DnsMessage, AliasesAreFollowedAndCountForTheTtl) {
    auto w = Wire::reply("a.example", RecordType::a, 3);
    w.record(RecordType::cname, 10, Wire{}.name("b.example"));
    w.name("b.example").u16(1).u16(1).u32(300).u16(4).u32(0x01020304);
    w.name("other.example").u16(1).u16(1).u32(1).u16(4).u32(0x05060708);
    const auto r = decode_reply(w.bytes, "a.example", RecordType::a);
    ASSERT_EQ(r.records.size(), 1U) << "a record of another name is not believed";
    EXPECT_EQ(r.records[0].address.to_string(), "1.2.3.4");
    EXPECT_EQ(r.ttl, 10U);
}

TEST(DnsMessage, ServiceRecords_Rfc2782) {
    auto w = Wire::reply("_sip._udp.carrier.example", RecordType::srv, 1);
    w.record(RecordType::srv, 30, Wire{}.u16(10).u16(60).u16(5070).name("GW1.carrier.example"));
    const auto r = decode_reply(w.bytes, "_sip._udp.carrier.example", RecordType::srv);
    ASSERT_EQ(r.records.size(), 1U);
    EXPECT_EQ(r.records[0].first, 10);
    EXPECT_EQ(r.records[0].second, 60);
    EXPECT_EQ(r.records[0].port, 5070);
    EXPECT_EQ(r.records[0].name, "gw1.carrier.example");
}

TEST(DnsMessage, NamingAuthorityPointers_Rfc3403) {
    auto w = Wire::reply("carrier.example", RecordType::naptr, 2);
    w.record(RecordType::naptr, 30, Wire{}.u16(1).u16(2).text("s").text("SIP+D2U").text("").name("_sip._udp.carrier.example"));
    w.record(RecordType::naptr, 30, Wire{}.u16(3).u16(4).text("u").text("E2U+sip").text("!^.*$!sip:a@b!").u8(0));
    const auto r = decode_reply(w.bytes, "carrier.example", RecordType::naptr);
    ASSERT_EQ(r.records.size(), 2U);
    EXPECT_EQ(r.records[0].flags, "s");
    EXPECT_EQ(r.records[0].services, "SIP+D2U");
    EXPECT_EQ(r.records[0].name, "_sip._udp.carrier.example");
    EXPECT_FALSE(r.records[0].has_expression);
    EXPECT_TRUE(r.records[1].has_expression);
    EXPECT_TRUE(r.records[1].name.empty());
}

TEST(DnsMessage, AbsenceHoldsAsLongAsTheZoneSays_Rfc2308_5) {
    const auto soa = Wire{}.name("ns.example").name("mail.example").u32(1).u32(2).u32(3).u32(4).u32(17);
    auto w = Wire::reply("no.example", RecordType::a, 0, 3, 1);
    w.record(RecordType::soa, 900, soa);
    auto r = decode_reply(w.bytes, "no.example", RecordType::a);
    EXPECT_EQ(r.status, Status::absent);
    EXPECT_EQ(r.ttl, 17U);
    r = decode_reply(Wire::reply("no.example", RecordType::a, 0).bytes, "no.example", RecordType::a);
    EXPECT_EQ(r.status, Status::absent) << "no record of this kind";
    EXPECT_GT(r.ttl, 0U);
}

TEST(DnsMessage, OtherCodesAreFailures) {
    for (const unsigned code : {1U, 2U, 4U, 5U, 9U})
        EXPECT_EQ(decode_reply(Wire::reply("x.example", RecordType::a, 0, code).bytes, "x.example", RecordType::a).status, Status::failed);
    EXPECT_EQ(decode_reply({}, "x.example", RecordType::a).status, Status::failed);
}

TEST(DnsMessage, PointersThatNeverEndAreRefused) {
    Wire w;
    w.u16(1).u16(0x8180).u16(0).u16(1).u16(0).u16(0).u16(0xc00c).u16(1).u16(1).u32(1).u16(4).u32(1);
    EXPECT_EQ(decode_reply(w.bytes, "x.example", RecordType::a).status, Status::failed);
}

TEST(DnsMessage, OddNamesAreNotTakenOver) {
    for (const std::string_view odd : {"a b", "a\r\nb", "\x80z"}) {
        auto w = Wire::reply("x.example", RecordType::srv, 1);
        w.record(RecordType::srv, 30, Wire{}.u16(1).u16(1).u16(5060).text(odd).u8(0));
        EXPECT_EQ(decode_reply(w.bytes, "x.example", RecordType::srv).status, Status::absent);
    }
}

TEST(DnsMessage, SurvivesEveryCutAndAnyOctet) {
    auto w = Wire::reply("carrier.example", RecordType::naptr, 3);
    w.record(RecordType::cname, 10, Wire{}.name("b.example"));
    w.record(RecordType::naptr, 30, Wire{}.u16(1).u16(2).text("s").text("SIP+D2U").text("").name("_sip._udp.carrier.example"));
    w.record(RecordType::a, 60, Wire{}.u32(0xc0000202));
    for (std::size_t n = 0; n < w.bytes.size(); ++n) {
        const std::vector<std::uint8_t> cut(w.bytes.begin(), w.bytes.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_EQ(decode_reply(cut, "carrier.example", RecordType::naptr).status, Status::failed) << n;
    }
    std::mt19937 random{1};
    std::size_t found = 0;
    for (int i = 0; i < 20'000; ++i) {
        auto hurt = w.bytes;
        for (int k = 0; k < 4; ++k) hurt[random() % hurt.size()] = static_cast<std::uint8_t>(random());
        const auto r = decode_reply(hurt, "carrier.example", RecordType::naptr);
        found += r.records.size();
        EXPECT_LE(r.records.size(), 64U);
    }
    EXPECT_GT(found, 0U);
}

}  // namespace
}  // namespace sipfront::kni
